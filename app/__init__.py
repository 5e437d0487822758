"""Tassel: course grades in, Open Badges 3.0 out, every award carried to the course and the SIS.

Map of the package, from the outside in (imports only ever go down this list):

- ``cli``          the command ``tassel``
- ``main``         ``create_app``: the only place where things are wired together
- ``demo``         a whole campus on loopback (LMS and SIS); speaks HTTP only
- ``web``          pages and API, one module per audience
- ``jobs``         the only module that knows the job engine
- ``pipeline``     the trip: enter, collect, decide, award, sign, queue, send
- ``delivery``     where an award goes: course column, SIS adapters, notifications
- ``wallet``       how the holder takes it: OpenID4VCI
- ``lti``          who came; ``gradebook`` what they scored; ``mastery`` whether it is mastered;
  ``credentials`` what we sign
- ``audit``, ``models``, ``db``, ``http`` (by ``dialling``), ``secrets``, ``settings``, ``errors``

Glossary: an *Installation* is one LMS, a *Platform* one registration of us there, a *Course* a
deployment plus a context id, a *Person* an LTI user of an installation, a *Learner* one human on
this campus. An *Assessment* is one gradebook column; a *Rule* maps assessments to competencies; a
met rule gives *Attainments* and an *Award* of an *Achievement* (pages say "badge"); the signed
bytes of an award are a *Credential*; a *Delivery* carries one award to one target.
"""
