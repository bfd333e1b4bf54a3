"""CronJob: a Job at each time of a schedule.

    controller.py  looks after the Jobs there are, starts one when it is due, comes back at the next time
    schedule.py    cron schedules as values: the next time, the last one that was missed (pure)
    plan.py        what to start, and what stands in the way (pure)
    history.py     finished Jobs: what the status says of them, which of them go (pure)

A Job's name has the minute of its scheduled time, so that a sync on an old cache cannot start it twice.
Contract: k8s.io/kubernetes/pkg/controller/cronjob and, for schedules, github.com/robfig/cron/v3.
"""
