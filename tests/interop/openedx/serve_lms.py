"""An Open edX LTI platform: the consumer from PyPI under Django, with the LMS around it played here.

``python serve_lms.py --folder DIR --port N --tool URL`` runs in an environment of its own (the
consumer is AGPL and needs Django) and imports nothing of Tassel. What is real: login initiation,
id_token, key set, token endpoint, line items, scores, results, roster. What is played: users, the
course, the block and its gradebook (the ``compat`` module is the consumer's own seam for that).

    GET  /start/<username>     the launch of that person, as the courseware page makes it
    GET  /registration         what an author copies into the tool
    GET  /gradebook            {user name: score between 0 and 1} as the block was told
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import uuid
from pathlib import Path
from socketserver import ThreadingMixIn
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

COURSE = "course-v1:LabX+BIO101+2026"
BLOCK = "block-v1:LabX+BIO101+2026+type@lti_consumer+block@tassel"
PEOPLE = {
    "teacher": (1, "staff", "Theresa Teacher"),
    "ada": (2, "student", "Ada Lovell"),
    "ben": (3, "student", "Ben Okafor"),
    "cem": (4, "student", "Cem Aydin"),
}
GRADES: dict[str, float] = {}


def external_id(name: str) -> str:
    """The id that tools get: stable, and no number of the LMS."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.openedx.test"))


def configure(folder: Path, base: str) -> None:
    """Django with the consumer and nothing of a real LMS."""
    from django.conf import settings

    settings.configure(
        SECRET_KEY="a test platform",
        DEBUG=False,
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        ROOT_URLCONF="__main__",
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(folder / "openedx.db"),
                "OPTIONS": {"timeout": 20},
            }
        },
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "config_models",
            "rest_framework",
            "lti_consumer.apps.LTIConsumerApp",
        ],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        USAGE_ID_PATTERN=r"(?P<usage_id>(?:i4x://?[^/]+/[^/]+/[^/]+/[^@]+(?:@[^/]+)?)|(?:[^/]+))",
        LMS_ROOT_URL=base,
        LMS_BASE=base.split("//")[1],
        PLATFORM_NAME="Lab Open edX",
        LEARNING_MICROFRONTEND_URL=base,
        SERVICE_VARIANT="lms",
    )


class Block:
    """The block in which the tool stands: graded out of one, no due date."""

    has_score = True
    accept_grades_past_due = True
    weight = 1
    display_name = "Tassel"
    start = due = None
    lti_1p3_passport_id = ""
    context_id = COURSE
    scope_ids = SimpleNamespace(usage_id=BLOCK, user_id=None)

    def is_past_due(self) -> bool:
        return False

    def max_score(self) -> float:
        return 1.0

    def set_user_module_score(
        self, user: Any, score: float, _most: float, _comment: str = ""
    ) -> None:
        GRADES[user.username] = score


def play_the_lms() -> None:
    """Everything that the consumer asks the LMS around it."""
    from django.contrib.auth import get_user_model
    from lti_consumer import api
    from lti_consumer.plugin import compat, views

    def user_of(found: str) -> Any:
        name = next(name for name in PEOPLE if external_id(name) == found)
        return get_user_model().objects.get(username=name)

    def members(_course: Any) -> dict[int, dict[str, Any]]:
        return {
            number: {
                "id": number,
                "username": name,
                "email": f"{name}@openedx.test",
                "name": full,
                "roles": [role],
            }
            for name, (number, role, full) in PEOPLE.items()
        }

    compat.load_enough_xblock = lambda _location: Block()
    compat.load_block_as_user = lambda _location: Block()
    compat.get_user_from_external_user_id = user_of
    compat.get_course_by_id = lambda key: SimpleNamespace(id=key)
    compat.user_course_access = lambda *_args, **_kwargs: True
    compat.user_has_access = lambda *_args, **_kwargs: True
    compat.get_course_members = members
    compat.merge_course_forum_roles = lambda _course, found: found
    compat.batch_get_or_create_externalids = lambda users: {
        user.id: SimpleNamespace(external_user_id=external_id(user.username))
        for user in users.prefetch_related(None)
    }
    api.get_lti_pii_sharing_state_for_course = lambda _key: True
    views.get_lti_pii_sharing_state_for_course = lambda _key: True


def set_up(tool: str) -> Any:
    """The tables, the people, and the block's configuration with Tassel's addresses."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from lti_consumer.models import Lti1p3Passport, LtiConfiguration

    call_command("migrate", verbosity=0, run_syncdb=True)
    for name, (number, _role, _full) in PEOPLE.items():
        get_user_model().objects.get_or_create(id=number, username=name)
    passport = Lti1p3Passport.objects.create(
        name="Tassel", lti_1p3_tool_keyset_url=f"{tool}/lti/jwks"
    )
    made = LtiConfiguration.objects.create(
        version=LtiConfiguration.LTI_1P3,
        config_store=LtiConfiguration.CONFIG_ON_DB,
        location=BLOCK,
        lti_1p3_passport=passport,
        lti_1p3_oidc_url=f"{tool}/lti/login",
        lti_1p3_launch_url=f"{tool}/lti/launch",
        lti_1p3_redirect_uris=[f"{tool}/lti/launch"],
        lti_advantage_enable_nrps=True,
        lti_advantage_ags_mode=LtiConfiguration.LTI_ADVANTAGE_AGS_PROGRAMMATIC,
    )
    # The key pair is made on first use: before anybody can ask for it twice at once.
    assert made.lti_1p3_public_jwk
    return made


def routes(configuration: Any, base: str) -> list[Any]:
    """The consumer's own addresses and the three of this program."""
    from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
    from django.urls import include, path
    from lti_consumer.api import get_lti_1p3_launch_info, get_lti_1p3_launch_start_url
    from lti_consumer.data import Lti1p3LaunchData

    def launch_of(name: str) -> Lti1p3LaunchData:
        number, role, full = PEOPLE[name]
        return Lti1p3LaunchData(
            user_id=number,
            user_role=role,
            config_id=configuration.config_id,
            resource_link_id=BLOCK,
            external_user_id=external_id(name),
            preferred_username=name,
            name=full,
            email=f"{name}@openedx.test",
            launch_presentation_document_target="iframe",
            context_id=COURSE,
            context_type=["course_offering"],
            context_title="Intro Bio - LabX",
            context_label="BIO101",
        )

    def start(_request: HttpRequest, name: str) -> HttpResponse:
        return HttpResponseRedirect(get_lti_1p3_launch_start_url(launch_of(name)))

    def registration(_request: HttpRequest) -> HttpResponse:
        found = get_lti_1p3_launch_info(launch_of("teacher"))
        wanted = ("client_id", "keyset_url", "deployment_id", "oidc_callback", "token_url")
        return JsonResponse({"issuer": base} | {name: found[name] for name in wanted})

    def gradebook(_request: HttpRequest) -> HttpResponse:
        return JsonResponse(GRADES)

    return [
        path("start/<str:name>", start),
        path("registration", registration),
        path("gradebook", gradebook),
        path("api/", include(("lti_consumer.plugin.urls", "lti_consumer"))),
    ]


class Server(ThreadingMixIn, WSGIServer):
    """The tool asks for its token while the platform asks for the tool's keys."""

    daemon_threads = True


urlpatterns: list[Any] = []


def main() -> None:
    parser = argparse.ArgumentParser(description="An Open edX LTI platform on loopback.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tool", required=True)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    base = f"http://127.0.0.1:{given.port}"
    configure(given.folder, base)
    import django

    django.setup()
    play_the_lms()
    urlpatterns.extend(routes(set_up(given.tool), base))
    from django.core.wsgi import get_wsgi_application

    server = make_server("127.0.0.1", given.port, get_wsgi_application(), server_class=Server)
    sys.stdout.write(json.dumps({"url": base}) + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
