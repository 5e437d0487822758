"""WHO came: registration, login and launch (LTI 1.3), and the services of the LMS (AGS, NRPS).

- ``registration``: invitations, dynamic and manual registration, approval
- ``login`` and ``launch``: the OIDC login and the verified launch, with every check
- ``services``: the client for line items, results, scores and members
- ``platforms``: one file per LMS with what it does otherwise than the standard
"""
