"""A whole campus on loopback: a stateful LMS, a stateful SIS and a visitor without a screen.

Everything here speaks HTTP only and imports nothing of the application but its errors, so that a
mistake in the tool cannot be cancelled out by the same mistake in the campus it is tried against.

- ``lms``: an LTI 1.3 platform with one mode per vendor (``python -m app.demo.lms``)
- ``sis``: a OneRoster 1.2 student information system
- ``faults``: what goes wrong on the way (429, 500, HTML, time-outs, lost answers)
- ``visitor``: a browser without a screen that walks through both, and through the tool
"""
