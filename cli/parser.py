"""The command line's grammar. It imports nothing of the project, so that `kactl --help` is quick."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

RUNTIMES = ("auto", "docker", "process", "simulated")


class _Parser(argparse.ArgumentParser):
    """A wrong command line is one line on stderr and exit code 1, as every other failure."""

    # Of a command that takes another: what follows `--`.
    takes_command = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = list(args or ())
        if not self.takes_command or "--" not in words:
            return super().parse_known_args(args, namespace)
        end = words.index("--")
        parsed, rest = super().parse_known_args(words[:end], namespace)
        parsed.command = words[end + 1 :]
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        print(f"error: {message}; see '{self.prog} --help'", file=sys.stderr)
        raise SystemExit(1)


def build() -> argparse.ArgumentParser:
    """The parser; what it returns has `module`, the module of the command."""
    parser = _Parser(prog="kactl", description="Start and use a Kubernetes cluster whose components are Ray actors.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for add in (_clusters, _backups, _reading, _streams, _writing, _waiting, _information, _components):
        add(commands)
    return parser


def _command(commands: Any, name: str, module: str, text: str, **defaults: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(module=module, **defaults)
    parser.add_argument("--cluster", metavar="NAME", help="the cluster's name (default: 'default')")
    return parser


def _api_command(commands: Any, name: str, module: str, text: str) -> argparse.ArgumentParser:
    """A command that talks to the API server."""
    parser = _command(commands, name, module, text)
    parser.add_argument("--kubeconfig", metavar="FILE", help="a kubeconfig that kactl wrote")
    parser.add_argument("-n", "--namespace", metavar="NAME", help="the namespace (default: 'default')")
    return parser


def _clusters(commands: Any) -> None:
    up = _command(commands, "up", "up", "start a cluster")
    up.add_argument("-f", "--file", metavar="FILE", help="its config, as in cluster_configs/")
    up.add_argument("--embedded", action="store_true", help="in this process, without Ray, until Ctrl-C")
    up.add_argument("--api-port", type=int, metavar="PORT", help="the REST port (0: any)")
    up.add_argument("--data", metavar="DIR", help="with --embedded: keep its state there (default: in memory)")
    up.add_argument("--nodes", type=int, metavar="N", help="how many node agents")
    up.add_argument("--runtime", choices=RUNTIMES, help="what runs containers (default: docker, else process)")
    up.add_argument("--kubeconfig", metavar="FILE", help="write the kubeconfig there as well")
    down = _command(commands, "down", "down", "end the cluster; its objects stay for the next up")
    down.add_argument("--purge", action="store_true", help="remove its objects, certificates and logs too")
    status = _command(commands, "status", "status", "say how the cluster's components are")
    status.add_argument("-o", "--output", choices=("json",), help="print JSON")
    demo = _command(commands, "demo", "demo", "start a cluster, deploy a sample and fetch a page from it")
    demo.add_argument("--runtime", choices=RUNTIMES, help="what runs containers")
    token = _api_command(commands, "token", "token", "print an administrator's bearer token, or make one for joining")
    token.add_argument("action", nargs="?", choices=("show", "create", "list", "delete"), default="show")
    token.add_argument("token", nargs="?", default="", metavar="TOKEN", help="with delete: the token or its id")
    token.add_argument("--ttl", default="24h", metavar="DURATION", help="with create: how long it lives (0: for ever)")
    token.add_argument("--ray", action="store_true", help="the token of the cluster's Ray and its dashboard")
    _command(commands, "rotate-token-keys", "rotate_keys", "sign service-account tokens with a new key")
    _command(commands, "kubeconfig", "kubeconfig", "print the path of the kubeconfig")


def _backups(commands: Any) -> None:
    backup = _command(commands, "backup", "backup", "write the cluster's store to a file, while it runs")
    backup.add_argument("target", metavar="FILE")
    backup.add_argument("--with-keys", action="store_true", help="with the cluster's certificate authority and token")
    backup.add_argument("--compression", choices=("zlib", "none"), default="zlib")
    restore = _command(commands, "restore", "restore", "put a backup into a cluster that is down")
    restore.add_argument("source", metavar="FILE")
    restore.add_argument("--force", action="store_true", help="replace what is there, and keep it aside")
    restore.add_argument("--data", metavar="DIR", help="the folder of a cluster of 'kactl up --embedded --data DIR'")
    restore.add_argument("-f", "--file", metavar="CONFIG", help="the config that the cluster is to have, for its store")
    restore.add_argument("--bump", type=int, metavar="N", help="revisions that may have been made after the backup")
    for parser in (backup, restore):
        parser.add_argument("--endpoints", default="", metavar="HOST:PORT,...", help="an etcd, in place of a cluster's")
        parser.add_argument("--cacert", metavar="FILE", help="with --endpoints: the authority of its certificate")
        parser.add_argument("--cert", metavar="FILE", help="with --endpoints: our certificate")
        parser.add_argument("--key", metavar="FILE", help="with --endpoints: our key")


def _reading(commands: Any) -> None:
    get = _api_command(commands, "get", "get", "show resources")
    get.add_argument("words", nargs="*", metavar="TYPE[/NAME]")
    get.add_argument("-f", "--filename", action="append", default=[], metavar="FILE")
    get.add_argument("-o", "--output", default="", metavar="FORMAT", help="json, yaml, wide, name or jsonpath=TEMPLATE")
    get.add_argument("-A", "--all-namespaces", action="store_true")
    get.add_argument("-l", "--selector", default="", metavar="LABELS")
    get.add_argument("--field-selector", default="", metavar="FIELDS")
    get.add_argument("-w", "--watch", action="store_true")
    get.add_argument("--no-headers", action="store_true")
    get.add_argument("--show-labels", action="store_true")
    get.add_argument("--show-managed-fields", action="store_true")
    get.add_argument("--ignore-not-found", action="store_true")
    describe = _api_command(commands, "describe", "describe", "show everything about resources, with their events")
    describe.add_argument("words", nargs="+", metavar="TYPE[/NAME]")
    describe.add_argument("-A", "--all-namespaces", action="store_true")
    describe.add_argument("-l", "--selector", default="", metavar="LABELS")
    logs = _api_command(commands, "logs", "logs", "print what a pod's containers write")
    logs.add_argument("target", nargs="?", metavar="POD | TYPE/NAME")
    logs.add_argument("container_argument", nargs="?", metavar="CONTAINER")
    logs.add_argument("-c", "--container", default="", metavar="NAME")
    logs.add_argument("--all-containers", action="store_true")
    logs.add_argument("-f", "--follow", action="store_true")
    logs.add_argument("-p", "--previous", action="store_true")
    logs.add_argument("-l", "--selector", default="", metavar="LABELS")
    logs.add_argument("--prefix", action="store_true", help="say before each line whose it is")
    logs.add_argument("--timestamps", action="store_true")
    logs.add_argument("--tail", type=int, default=None, metavar="LINES")
    logs.add_argument("--since", default="", metavar="DURATION")
    logs.add_argument("--limit-bytes", type=int, default=None, metavar="N")


def _streams(commands: Any) -> None:
    execute = _api_command(commands, "exec", "execute", "run a command in a container")
    attach = _api_command(commands, "attach", "execute", "take part in a container's main process")
    for verb, parser in (("exec", execute), ("attach", attach)):
        parser.set_defaults(verb=verb, command=[])
        parser.add_argument("-c", "--container", default="", metavar="NAME")
        parser.add_argument("-i", "--stdin", action="store_true", help="pass this program's input on")
        parser.add_argument("-t", "--tty", action="store_true", help="the input is a terminal")
        parser.add_argument("pod", metavar="POD")
    execute.takes_command = True  # type: ignore[attr-defined]
    execute.usage = "kactl exec [-i] [-t] [-c NAME] [-n NAME] POD -- COMMAND [ARGUMENT ...]"
    forward = _api_command(commands, "port-forward", "port_forward", "lead ports of this machine to ports of a pod")
    forward.add_argument("pod", metavar="POD")
    forward.add_argument("ports", nargs="+", metavar="[LOCAL:]REMOTE")
    forward.add_argument("--address", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    copy = _api_command(commands, "cp", "copy", "copy files from or to a container, which needs tar for it")
    copy.add_argument("source", metavar="SOURCE")
    copy.add_argument("target", metavar="TARGET", help="one of the two is [NAMESPACE/]POD:PATH")
    copy.add_argument("-c", "--container", default="", metavar="NAME")


def _writing(commands: Any) -> None:
    apply = _api_command(commands, "apply", "apply", "make objects as the files say")
    apply.add_argument("-f", "--filename", action="append", required=True, metavar="FILE", help="file, folder or -")
    apply.add_argument("-R", "--recursive", action="store_true")
    apply.add_argument("-o", "--output", default="", choices=("", "json", "yaml", "name"))
    apply.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    apply.add_argument("--server-side", action="store_true", help="let the API server merge and know who owns what")
    apply.add_argument("--force-conflicts", action="store_true", help="take over fields that others own")
    apply.add_argument("--field-manager", default="", metavar="NAME", help="whose the fields are")
    apply.add_argument("--validate", nargs="?", const="strict", default="strict", metavar="strict|warn|ignore")
    delete = _api_command(commands, "delete", "delete", "delete objects and wait until they are gone")
    delete.add_argument("words", nargs="*", metavar="TYPE[/NAME]")
    delete.add_argument("-f", "--filename", action="append", default=[], metavar="FILE")
    delete.add_argument("-R", "--recursive", action="store_true")
    delete.add_argument("-l", "--selector", default="", metavar="LABELS")
    delete.add_argument("-A", "--all-namespaces", action="store_true")
    delete.add_argument("--all", action="store_true")
    delete.add_argument("--ignore-not-found", action="store_true")
    delete.add_argument("--grace-period", type=int, default=None, metavar="SECONDS")
    delete.add_argument("--now", action="store_true")
    delete.add_argument("--force", action="store_true")
    delete.add_argument("--cascade", default="background", choices=("background", "foreground", "orphan"))
    delete.add_argument("--wait", default="true", choices=("true", "false"))
    delete.add_argument("--timeout", default="0s", metavar="DURATION")
    delete.add_argument("-o", "--output", default="", choices=("", "name"))


def _waiting(commands: Any) -> None:
    wait = _api_command(commands, "wait", "wait", "wait until something holds of objects")
    wait.add_argument("words", nargs="*", metavar="TYPE[/NAME]")
    wait.add_argument("-f", "--filename", action="append", default=[], metavar="FILE")
    wait.add_argument("--for", dest="condition", required=True, metavar="condition=NAME|delete|create|jsonpath=...")
    wait.add_argument("-l", "--selector", default="", metavar="LABELS")
    wait.add_argument("-A", "--all-namespaces", action="store_true")
    wait.add_argument("--all", action="store_true")
    wait.add_argument("--timeout", default="30s", metavar="DURATION")
    rollout = commands.add_parser("rollout", help="follow the rollout of a Deployment")
    parts = rollout.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    status = _api_command(parts, "status", "rollout", "wait for a rollout to finish and say how it goes")
    status.add_argument("words", nargs="+", metavar="TYPE/NAME")
    status.add_argument("-w", "--watch", default="true", choices=("true", "false"))
    status.add_argument("--timeout", default="0s", metavar="DURATION")


def _information(commands: Any) -> None:
    version = _api_command(commands, "version", "version", "print the versions of kactl and of the server")
    version.add_argument("--client", action="store_true", help="of kactl alone")
    version.add_argument("-o", "--output", default="", choices=("", "json", "yaml"))


def _components(commands: Any) -> None:
    run = commands.add_parser("run", help="run one component alone, in the foreground")
    parts = run.add_subparsers(metavar="COMPONENT", required=True, parser_class=_Parser)
    store = _component(parts, "store", "the store, behind etcd's v3 API")
    store.add_argument("--data", metavar="DIR", help="keep the data there (default: in memory)")
    store.add_argument("--listen", default="127.0.0.1:2379", metavar="HOST:PORT")
    store.add_argument("--cert-file", metavar="FILE", help="serve with TLS, for holders of certificates of the CA")
    store.add_argument("--key-file", metavar="FILE")
    store.add_argument("--trusted-ca-file", metavar="FILE")
    server = _component(parts, "apiserver", "the API server")
    server.add_argument("--data", metavar="DIR", help="certificates and the token are there (default: the cluster's)")
    server.add_argument("--store", default="127.0.0.1:2379", metavar="HOST:PORT")
    server.add_argument("--store-tls", action="store_true", help="the store asks for a certificate of the cluster's CA")
    server.add_argument("--host", default="127.0.0.1", metavar="ADDRESS")
    server.add_argument("--port", type=int, default=6443, help="REST")
    server.add_argument("--grpc-port", type=int, default=6444, help="gRPC, client certificates")
    server.add_argument("--token-port", type=int, default=6445, help="gRPC, bearer tokens")
    server.add_argument("--service-cidr", default="", metavar="CIDR")
    server.add_argument("--loopback-endpoints", action="store_true", help="for nodes of the process runtime")
    for name, text in (("scheduler", "the scheduler"), ("controller-manager", "the controllers")):
        _client_component(parts, name, text)
    node = _client_component(parts, "node", "a node agent")
    node.add_argument("--name", default="node-1", metavar="NAME")
    node.add_argument("--runtime", choices=RUNTIMES, default="auto")
    node.add_argument("--pod-cidr", default="", metavar="CIDR")
    node.add_argument("--service-cidr", default="", metavar="CIDR")
    node.add_argument("--no-proxy", action="store_true", help="do not serve Services on this machine")


def _component(parts: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = _command(parts, name, "run", text, component=name)
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser.add_argument("--log-json", action="store_true", help="one JSON object a line")
    return parser


def _client_component(parts: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = _component(parts, name, text)
    parser.add_argument("--data", metavar="DIR", help="certificates are there (default: the cluster's)")
    parser.add_argument("--server", default="127.0.0.1:6444", metavar="HOST:PORT", help="the API server's gRPC address")
    return parser
