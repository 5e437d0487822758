"""THE TRIP: from a click in the LMS to a record in the SIS, one verb per module.

    enter.enter         a verified launch becomes Course, Person, Enrolment
    roster.sync_roster  the LMS's member list keeps enrolments up
    collect.run         every grade source of a course; only what changed moves on
    decide.decide       rules over the changed learners: decisions with reasons, awards
    award.run           awards become signed credentials, with their deliveries in one transaction
    sign_all.run        the same for everything that waits, in any number of processes
    deliver.run         deliveries go to the course, the SIS and the learner's mailbox
    supersede.supersede another credential takes the place of one, the award and its date stay
    revoke.revoke       and back again

Each step is idempotent through a unique constraint, so running it again is always the safe repair.
The modules here own the transactions; network calls stand before or after them, never inside.
Nothing here wakes a job: it commits rows, and the worker finds them (``claim``).
"""
