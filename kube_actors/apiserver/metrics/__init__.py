"""Numbers of one API server in Prometheus' text format, with Kubernetes' names and labels.

    requests (counted by the HTTPS listener) --+
    storage  (measured around the store client) +--> page.render() <- GET /metrics
    cache, process (read when they are asked for)

Counting is an addition to a dict; everything else happens when somebody reads the page. Nothing is kept over a
restart. Not here: what the controllers and the nodes count, who serve it themselves.
"""
