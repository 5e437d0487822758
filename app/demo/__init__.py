"""A whole campus on loopback: the systems that Tassel talks to, as programs of their own.

They speak HTTP only and share no protocol code with the tool, so that a mistake cannot cancel out.
Every kind of failure of a real peer can be ordered from them, see ``app.demo.faults``.
"""
