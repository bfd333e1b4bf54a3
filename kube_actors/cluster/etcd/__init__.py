"""The store as real etcd: its members as processes of ours, or an etcd that exists already.

    layout.py      which members there are and where they listen; kept for the life of the cluster's state
    membership.py  what a member does when it starts, and what the leader does for the others. Pure
    command.py     how etcd is started. Pure
    binary.py, files.py, process.py, admin.py    the program, a member's folder, its process, etcd's API
    member.py      one member: starts, watches and restarts its etcd by all of the above
    replacing.py   a member whose host is gone: another host, and in which order
    external.py    an etcd of somebody else's: is it there, may we use it

    member starts -> asks the others -> membership.plan_start -> bootstrap | resume | leave and join as a learner
    the leader's member, every few seconds -> membership.plan_upkeep -> promote | defragment

There is no coordinator: a member acts for itself, and what only one may do is done beside raft's leader.
Whoever gives up a place does it by etcd's own reconfiguration, and only where a quorum stays.

Nothing here needs Ray; `cluster/actors` wraps a member in an actor. What it does not do: it never compacts
(the API server does), and never brings back a quorum that is lost (that is what backups are for).
"""
