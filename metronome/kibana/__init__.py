"""Saved objects of Kibana and OpenSearch Dashboards: data views, searches, charts, dashboards.

``objects`` knows the formats, ``charts`` draws, ``dashboards`` says what is shown.  Nothing here
does I/O: ``conf/kibana/`` holds what comes out, and ``metronome kibana-import`` sends it.
"""
