"""Random requests by the published OpenAPI documents: none may end in an error of ours, in a crash or in silence.

schemathesis makes the requests. KUBE_ACTORS_FUZZ_SECONDS looks longer, with another seed each time.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import aiohttp
import pytest

from kube_actors.cluster.embedded import Cluster

SECONDS = int(os.environ.get("KUBE_ACTORS_FUZZ_SECONDS", "0"))
DOCUMENTS = ("api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1")
TOOL = Path(sys.executable).with_name("schemathesis")
SERVER_ERROR = re.compile(r"\[5\d\d\][^\n]*:\n\n\s+`(.*)`\n")
# What Kubernetes itself answers with 500.
KUBERNETES_SAYS = ("resourceVersion should not be set on objects to be created", '"message":"target.')


async def fuzz(cluster: Cluster, document: str, home: Path) -> tuple[int, str]:
    """One document's run: the exit code, and what was printed."""
    length = ["--max-time", str(SECONDS)] if SECONDS else ["--seed", "1"]
    process = await asyncio.create_subprocess_exec(
        str(TOOL),
        "run",
        f"{cluster.rest_url}/openapi/v3/{document}",
        *("--url", cluster.rest_url),
        *("--header", f"Authorization: Bearer {cluster.token}"),
        *("--tls-verify", "false"),
        *("--checks", "not_a_server_error"),
        *("--phases", "fuzzing"),
        *("--max-examples", "2"),
        "--continue-on-failure",
        *length,
        cwd=home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, printed.decode(errors="replace")


@pytest.mark.timeout(300 + len(DOCUMENTS) * SECONDS)
async def test_random_requests_are_answered_and_none_with_a_server_error(tmp_path: Path) -> None:
    assert shutil.which(str(TOOL)), "schemathesis is not installed"
    async with Cluster(nodes=1) as cluster:
        for document in DOCUMENTS:
            code, printed = await fuzz(cluster, document, tmp_path)
            found = SERVER_ERROR.findall(printed)
            ours = [answer for answer in found if not any(text in answer for text in KUBERNETES_SAYS)]
            assert code == 0 or (found and not ours and "Network Error" not in printed), printed
        headers = {"Authorization": f"Bearer {cluster.token}"}
        async with (
            aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=False)) as session,
            session.get(f"{cluster.rest_url}/readyz") as response,
        ):
            assert await response.text() == "ok"
