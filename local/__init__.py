"""The embedded AWS: the whole service on a laptop, deployed from the same Pulumi program.

``deploy`` runs ``__main__.py`` against ``provider``, which creates every declared resource on a
moto server (``resources``). ``functions`` runs the handlers under AWS's own Lambda runtime client,
``event_source`` plays the event source mappings, ``schedules`` EventBridge's schedules, and
``http_api`` API Gateway, which asks who calls (``gateway``). ``aws`` serves moto, ``moto_gaps``
closes what it leaves open, ``iam`` denies what policies do not allow, ``faults`` lets it fail by a
plan, and ``stack`` starts and ends them all. There is no second description of the infrastructure
here: what is not declared does not exist.
"""
