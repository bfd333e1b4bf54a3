"""kactl: the command line. Installed as `kube_actors_cli`.

    main -> parser -> one module a command (imported when it is used) -> KubeClient (gRPC) -> API server

What kubectl prints, kactl prints the same way. Every failure is one line on stderr and exit code 1.
Only `up`, `down`, `status`, `token`, `kubeconfig` and `run` reach for `kube_actors.cluster`.

It deliberately has no cache of the server's resources, no plugins and no editing of kubeconfigs.
"""
