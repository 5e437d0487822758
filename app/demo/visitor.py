"""A browser without a screen: walks through the LMS, the tool and the SIS as a person would.

It has cookies with the rules of a real browser (``cookies``), knows which page is inside a frame,
sends Origin, Referer and the Sec-Fetch headers, and presses buttons and links by their words. It
runs no scripts: pages must work without them, and self-submitting forms are pressed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from urllib.parse import urlencode, urljoin, urlsplit

import requests

from app.demo.cookies import Context, CookieStore, site
from app.demo.form_data import Value, encoded, filled
from app.demo.hosts import real_address
from app.demo.html_page import Content, Form, Link, find_form, parse
from app.errors import NotFound, UpstreamError

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 DemoVisitor/1.0"
_TIMEOUT = (5, 60)
_HOPS = 20
_SELF_SUBMITTED = ({"id_token"}, {"login_hint"}, {"JWT"}, {"error", "state"})


@dataclass
class Page:
    """One answer, read. ``frames`` are (name, absolute address); ``history`` the redirects."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    text: str = ""
    title: str = ""
    html: str = ""
    forms: list[Form] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    frames: list[tuple[str, str]] = field(default_factory=list)
    refresh: str = ""
    history: list[str] = field(default_factory=list)

    def link(self, text: str) -> Link:
        """The first link with exactly this text, else the first that contains it."""
        for link in self.links:
            if link.text == text:
                return link
        for link in self.links:
            if text in link.text:
                return link
        there = [link.text for link in self.links]
        raise NotFound("no-link", f"No link {text!r} on {self.url}. There is: {there}.")


@dataclass
class _Request:
    """One step to make: who sends it and from where."""

    method: str
    url: str
    data: bytes | None = None
    content_type: str = ""
    initiator: str = ""
    policy: str = ""
    in_frame: bool = False
    extra: dict[str, str] = field(default_factory=dict)


class Visitor:
    """One person's browser. ``page`` is what is shown now; ``top`` the page around a frame."""

    def __init__(
        self,
        agent: str = AGENT,
        timeout: tuple[float, float] = _TIMEOUT,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        """``hosts``: public origins that are really served elsewhere, see ``app.demo.hosts``."""
        self._hosts = hosts or {}
        self.cookies = CookieStore()
        self.page: Page | None = None
        self.top = ""
        self._agent = agent
        self._timeout = timeout
        self._session = requests.Session()
        # The store above decides about cookies; the session must not keep its own.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.trust_env = False

    def __enter__(self) -> Visitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    # --- moving about ------------------------------------------------------------------------

    def get(self, url: str) -> Page:
        """Type an address: a fresh top-level page."""
        self.top = ""
        return self._go(_Request("GET", url))

    def follow(self, text: str) -> Page:
        """Press a link by its words; ``target="_top"`` or ``_blank`` leaves the frame."""
        page = self._page()
        link = page.link(text)
        if link.target in {"_top", "_blank", "_parent"}:
            self.top = ""
        return self._go(self._from_page(page, "GET", urljoin(page.url, link.href)))

    def enter_frame(self, name: str = "tool") -> Page:
        """Look into a frame of the shown page, by name (or the only one)."""
        page = self._page()
        frames = [url for one, url in page.frames if one == name] or [u for _, u in page.frames[:1]]
        if not frames:
            raise NotFound("no-frame", f"There is no frame on {page.url}.")
        self.top = self.top or page.url
        return self._go(self._from_page(page, "GET", frames[0]))

    def submit(self, form: str | Form | None = None, /, **values: Value) -> Page:
        """Fill in a form and press its button.

        ``form``: its id or name, a button's words, name or value; None for the only form. Values
        by control name: text, True/False for a checkbox, a list for several, or a file as
        (name, content, type). Names with characters that Python does not allow: ``**{"a-b": ..}``.
        """
        page = self._page()
        if isinstance(form, Form):
            found, button = form, form.buttons[0] if form.buttons else None
        else:
            found, button = find_form(page.forms, form)
        pairs, files = filled(found, button, values)
        action = urljoin(page.url, (button.action if button else "") or found.action or page.url)
        method = ((button.method if button else "") or found.method).upper()
        if method != "POST":
            address = urlsplit(action)._replace(query=urlencode(pairs), fragment="").geturl()
            return self._go(self._from_page(page, "GET", address))
        request = self._from_page(page, "POST", action)
        request.data, request.content_type = encoded(found.enctype, pairs, files)
        return self._go(request)

    def post(self, url: str, fields: Mapping[str, str], *, origin: str = "") -> Page:
        """Send a form that stands on no page; ``origin`` says which site it comes from."""
        request = _Request("POST", url, initiator=origin, in_frame=bool(self.top))
        request.data = urlencode(fields).encode()
        request.content_type = "application/x-www-form-urlencoded"
        return self._go(request)

    def press_on(self) -> Page:
        """Submit the forms that submit themselves in a browser with scripts, until one does not."""
        for _ in range(_HOPS):
            page = self._page()
            waiting = [one for one in page.forms if _submits_itself(one)]
            if not waiting:
                return page
            self.submit(waiting[0])
        raise UpstreamError("loop", "The pages send us in circles.", system="demo", permanent=True)

    # --- what people do ----------------------------------------------------------------------

    def become(self, lms_url: str, person: str | int) -> Page:
        """Choose who to be at the LMS: a person's number or opaque id."""
        self.get(lms_url + "/")
        self.top = ""
        return self.post(lms_url + "/become", {"person": str(person)}, origin=lms_url + "/")

    def launch(
        self,
        lms_url: str,
        course: int | str,
        link: int | str | None = None,
        *,
        window: bool = False,
    ) -> Page:
        """Open the tool from a course and land on its page.

        ``course``: its number or its label. ``link``: an activity's number or title; None for the
        item in the course navigation. ``window`` opens it in a window of its own, not the frame.
        """
        if str(course).isdigit():
            self.get(f"{lms_url}/courses/{course}")
        else:
            self.get(lms_url + "/")
            self.follow(f"{course}:")
        opened = [one for one in self._page().links if "/open/" in one.href]
        for one in opened:
            number = one.href.rsplit("/", 1)[-1]
            if link is None or str(link) in {number, one.text}:
                break
        else:
            raise NotFound("no-link", f"Course {course} shows no activity {link!r} of a tool.")
        self.get(urljoin(lms_url, one.href))
        if window:
            self.follow("Open in a new window")
        else:
            self.enter_frame("tool")
        return self.press_on()

    def register(self, lms_url: str, invite_url: str, *, choice: str = "new") -> Page:
        """Register a tool by its link and activate it; needs the administrator at the browser.

        Returns the tool's last page. A single form on the tool's page (its confirmation) is
        pressed. ``choice`` answers "update or new" where the LMS asks.
        """
        self.get(lms_url + "/admin/tools")
        self.submit("register", url=invite_url)
        if "Open the registration page" in [one.text for one in self._page().links]:
            self.follow("Open the registration page")
        else:
            if not self._page().frames:
                self.submit(choice)
            self.enter_frame("tool")
        page = self._page()
        if page.status < 400 and len(page.forms) == 1 and page.forms[0].method == "post":
            page = self.submit()
        landed = page
        self.get(lms_url + "/admin/tools")
        while any(b.label == "Activate" for f in self._page().forms for b in f.buttons):
            self.submit("Activate")
        self.page = landed
        return landed

    # --- how a browser sends -----------------------------------------------------------------

    def _page(self) -> Page:
        if self.page is None:
            raise NotFound("no-page", "Open a page first.")
        return self.page

    def _from_page(self, page: Page, method: str, url: str) -> _Request:
        policy = page.headers.get("Referrer-Policy", "").lower()
        return _Request(method, url, initiator=page.url, policy=policy, in_frame=bool(self.top))

    def _go(self, request: _Request) -> Page:
        """Send, follow redirects, keep cookies, read the page."""
        history: list[str] = []
        worst = "none"
        for _ in range(_HOPS):
            if request.initiator:
                worst = _worse(worst, relation(request.initiator, request.url))
            answer = self._send(request, worst)
            target = answer.headers.get("Location")
            if answer.status_code not in {301, 302, 303, 307, 308} or target is None:
                self.page = _read(answer, request.url, history)
                if not self.page.refresh:
                    return self.page
                request = self._from_page(self.page, "GET", self.page.refresh)
                history.append(self.page.url)
                continue
            history.append(request.url)
            worst = _worse(worst, relation(request.url, urljoin(request.url, target)))
            request = _redirected(request, answer.status_code, target)
        raise UpstreamError("loop", "Too many redirects.", system="demo", permanent=True)

    def _send(self, request: _Request, fetch_site: str) -> requests.Response:
        context = Context(
            top_site=site(self.top if request.in_frame else request.url),
            cross_site=fetch_site == "cross-site",
            top_level_get=request.method == "GET" and not request.in_frame,
        )
        headers = self._headers(request, fetch_site)
        cookies = self.cookies.header(request.url, context)
        if cookies:
            headers["Cookie"] = cookies
        try:
            answer = self._session.request(
                request.method,
                real_address(self._hosts, request.url),
                data=request.data,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            text = f"{request.url} does not answer: {error}"
            raise UpstreamError("no-answer", text, system="demo", permanent=False) from error
        for line in answer.raw.headers.getlist("Set-Cookie"):
            self.cookies.store(request.url, line, context, datetime.now(UTC))
        return answer

    def _headers(self, request: _Request, fetch_site: str) -> dict[str, str]:
        headers = {
            "User-Agent": self._agent,
            "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
            "Accept-Language": "en",
            "Sec-Fetch-Site": fetch_site,
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "iframe" if request.in_frame else "document",
            "Sec-Fetch-User": "?1",
        }
        if request.initiator:
            headers |= _referer(request)
        if request.method == "POST":
            headers["Origin"] = _origin_header(request)
        if request.content_type:
            headers["Content-Type"] = request.content_type
        return headers | request.extra


def origin(url: str) -> str:
    """Scheme, host and port."""
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc}"


def relation(source: str, target: str) -> str:
    """The Sec-Fetch-Site of a request from one page to another."""
    if origin(source) == origin(target):
        return "same-origin"
    return "same-site" if site(source) == site(target) else "cross-site"


def _worse(first: str, second: str) -> str:
    """Along redirects the most distant relation counts."""
    order = ["none", "same-origin", "same-site", "cross-site"]
    return max(first, second, key=order.index)


def _referer(request: _Request) -> dict[str, str]:
    """Referer under the page's policy; the default is strict-origin-when-cross-origin."""
    same = origin(request.initiator) == origin(request.url)
    if request.policy == "no-referrer" or (request.policy == "same-origin" and not same):
        return {}
    if same and request.policy not in {"origin", "strict-origin"}:
        return {"Referer": urlsplit(request.initiator)._replace(fragment="").geturl()}
    return {"Referer": origin(request.initiator) + "/"}


def _origin_header(request: _Request) -> str:
    """Origin of a form post; "null" when the page's referrer policy hides it."""
    if not request.initiator or request.policy == "no-referrer":
        return "null"
    same = origin(request.initiator) == origin(request.url)
    return "null" if request.policy == "same-origin" and not same else origin(request.initiator)


def _redirected(request: _Request, status: int, target: str) -> _Request:
    """The next request of a redirect: GET unless 307 or 308 keep the method."""
    url = urljoin(request.url, target)
    keep = status in {307, 308}
    return _Request(
        request.method if keep or request.method == "GET" else "GET",
        urlsplit(url)._replace(fragment="").geturl(),
        data=request.data if keep else None,
        content_type=request.content_type if keep else "",
        initiator=request.initiator,
        policy=request.policy,
        in_frame=request.in_frame,
    )


def _read(answer: requests.Response, url: str, history: list[str]) -> Page:
    """A page from an answer; only HTML is taken apart."""
    page = Page(url, answer.status_code, answer.headers, answer.content, history=history)
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith("text/") or "json" in kind:
        page.text = answer.content.decode(answer.encoding or "utf-8", "replace")
    if kind.startswith(("text/html", "application/xhtml")):
        page.html = page.text
        content: Content = parse(page.html)
        page.title, page.text = content.title, content.text
        page.forms, page.links, page.refresh = content.forms, content.links, content.refresh
        page.frames = [(name, urljoin(page.url, source)) for name, source in content.frames]
    return page


def _submits_itself(form: Form) -> bool:
    """The forms of a login initiation, a launch, an error or a content selection."""
    hidden = {one.name for one in form.fields if one.kind == "hidden"}
    return any(names <= hidden for names in _SELF_SUBMITTED)
