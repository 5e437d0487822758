"""What we sign: Open Badges 3.0 documents, their proofs, keys, status lists and pictures.

These modules are pure: no database, no web, no network, and the time comes in as
an argument. ``document`` builds, ``proofs`` seals, ``status`` revokes, ``bake`` and ``designs``
draw, ``drift`` warns before a template is published. What was signed is never signed again: the
bytes are kept, and a change makes a new credential.
"""
