// One document for a whole visit: where no cookie sticks, the bearer lives in this script and nowhere else.
// Links, forms, files, pictures and htmx all ask with it; a reload or a closed tab forgets it.
(function () {
  "use strict";
  var shell = document.getElementById("shell");
  var given = Object.assign({}, shell.dataset);
  var bearer = "";
  var here = new URL(given.path, window.location.origin);
  var places = [];
  var at = 0;  // our place among them; htmx writes into the history's state too
  var loaded = new Set(scripts(document));
  var running = 0;

  function scripts(page) {
    return Array.from(page.querySelectorAll("script[src]"), function (one) { return one.getAttribute("src"); });
  }

  function ours(url) { return url.origin === window.location.origin; }

  function ask(url, options) {
    var headers = { Authorization: "Bearer " + bearer };
    return fetch(url, Object.assign({ credentials: "omit", headers: headers }, options));
  }

  function say(text) {
    var live = document.getElementById("live");
    if (live) live.textContent = text;
  }

  function failed(text) {
    var main = document.getElementById("main");
    var box = document.createElement("div");
    box.className = "says bad";
    box.setAttribute("role", "alert");
    box.textContent = text;
    main.prepend(box);
    main.focus();
  }

  // --- getting in ---------------------------------------------------------------------------

  async function enter() {
    var body = new URLSearchParams({ code: given.code });
    var answer = await fetch(given.redeem, { method: "POST", body: body, credentials: "same-origin" });
    if (!answer.ok) { shell.textContent = given.wordsOver; return; }
    var redeemed = await answer.json();
    if (!redeemed.bearer) { window.location.replace(redeemed.path); return; }
    bearer = redeemed.bearer;
    history.replaceState({ tassel: 0 }, "");
    places = [here.href];
    await visit(here, {}, false);
  }

  // --- one page after the other ---------------------------------------------------------------

  async function visit(url, options, remember) {
    var turn = (running += 1);
    say(given.wordsBusy);
    document.body.setAttribute("aria-busy", "true");
    try {
      var answer = await ask(url, options);
      if (!isPage(answer)) { await save(answer); return; }
      var text = await answer.text();
      if (turn !== running) return;
      arrive(answer, url, text, remember);
    } catch (_error) {
      failed(given.wordsFailed);
    } finally {
      document.body.removeAttribute("aria-busy");
    }
  }

  function isPage(answer) {
    var kind = answer.headers.get("Content-Type") || "";
    var way = answer.headers.get("Content-Disposition") || "";
    return kind.indexOf("text/html") === 0 && way.indexOf("attachment") !== 0;
  }

  function arrive(answer, asked, text, remember) {
    here = new URL(answer.url);
    here.hash = asked.hash;
    if (remember) {
      at += 1;
      places.length = at;
      places.push(here.href);
      history.pushState({ tassel: at }, "");
    }
    show(new DOMParser().parseFromString(text, "text/html"));
  }

  function show(page) {
    page.querySelectorAll("noscript").forEach(function (one) { one.remove(); });
    page.querySelectorAll("img[src]").forEach(hold);
    document.title = page.title;
    document.documentElement.lang = page.documentElement.lang;
    document.documentElement.dir = page.documentElement.dir;
    document.body.replaceWith(document.adoptNode(page.body));
    scripts(page).forEach(run);
    document.querySelectorAll("img[data-held]").forEach(picture);
    offerTab();
    window.tasselDress();
    if (window.htmx) window.htmx.process(document.body);
    settle();
  }

  // Scripts that a page brings beside those of every page.
  function run(source) {
    if (loaded.has(source)) return;
    loaded.add(source);
    var script = document.createElement("script");
    script.src = source;
    document.head.append(script);
  }

  // The new page is announced by its title and read from its heading on, as after any navigation.
  function settle() {
    say(document.title);
    var wanted = here.hash && document.getElementById(here.hash.slice(1));
    if (wanted) { wanted.scrollIntoView(); return; }
    window.scrollTo(0, 0);
    if (document.getElementById("errors")) return;
    var heading = document.querySelector("main h1") || document.getElementById("main");
    heading.setAttribute("tabindex", "-1");
    heading.focus({ preventScroll: true });
  }

  // --- pictures and files -----------------------------------------------------------------------

  function hold(image) {
    var url = new URL(image.getAttribute("src"), here);
    if (!ours(url) || url.pathname.indexOf("/static/") === 0) return;
    image.dataset.held = url.href;
    image.removeAttribute("src");
  }

  async function picture(image) {
    var url = image.dataset.held;
    delete image.dataset.held;
    try {
      var answer = await ask(url, {});
      if (!answer.ok) return;
      image.addEventListener("load", function () { URL.revokeObjectURL(image.src); }, { once: true });
      image.src = URL.createObjectURL(await answer.blob());
    } catch (_error) {
      image.alt = image.alt || "";
    }
  }

  async function save(answer) {
    if (!answer.ok) { failed(given.wordsFailed); return; }
    var named = /filename\*?=(?:UTF-8'')?"?([^";]+)/i.exec(answer.headers.get("Content-Disposition") || "");
    var link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = named ? decodeURIComponent(named[1]) : new URL(answer.url).pathname.split("/").pop();
    link.dataset.native = "yes";
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 60000);
    say(link.download);
  }

  // --- a tab of its own -------------------------------------------------------------------------

  async function openTab(url) {
    var body = new URLSearchParams({ path: url.pathname + url.search });
    var answer = await ask(given.tabCode, { method: "POST", body: body });
    if (!answer.ok) { failed(given.wordsOver); return; }
    var form = document.createElement("form");
    form.method = "post";
    form.action = given.tab;
    form.target = "_blank";
    form.dataset.native = "yes";
    var field = document.createElement("input");
    field.type = "hidden";
    field.name = "code";
    field.value = (await answer.json()).code;
    form.append(field);
    document.body.append(form);
    form.submit();
    form.remove();
  }

  function offerTab() {
    var header = document.querySelector("header.top");
    if (!header || window.parent === window) return;
    var button = document.createElement("button");
    button.type = "button";
    button.className = "quiet-button";
    button.textContent = given.wordsTab;
    button.addEventListener("click", function () { openTab(here); });
    header.append(button);
  }

  // --- what people press ------------------------------------------------------------------------

  document.addEventListener("click", function (event) {
    var link = event.target.closest && event.target.closest("a[href]");
    if (!link || link.dataset.native || event.defaultPrevented || event.button !== 0) return;
    var url = new URL(link.getAttribute("href"), here);
    if (!ours(url)) return;
    var private_ = url.pathname.indexOf("/courses/") === 0;
    var apart = link.target === "_blank" || event.ctrlKey || event.metaKey || event.shiftKey;
    if (apart && !private_) return;
    event.preventDefault();
    var inside = url.pathname === here.pathname && url.search === here.search && url.hash;
    if (inside && !apart) { here = url; settle(); return; }
    if (apart) openTab(url); else visit(url, {}, true);
  });

  document.addEventListener("submit", function (event) {
    var form = event.target;
    var button = event.submitter;
    if (event.defaultPrevented || form.dataset.native) return;
    var action = (button && button.getAttribute("formaction")) || form.getAttribute("action") || here.href;
    var url = new URL(action, here);
    if (!ours(url)) return;
    event.preventDefault();
    var data = new FormData(form, button);
    var method = ((button && button.getAttribute("formmethod")) || form.method || "get").toLowerCase();
    var multipart = form.enctype === "multipart/form-data";
    if (method === "get") {
      url.search = new URLSearchParams(data).toString();
      visit(url, {}, true);
    } else {
      visit(url, { method: "POST", body: multipart ? data : new URLSearchParams(data) }, true);
    }
  });

  window.addEventListener("popstate", function (event) {
    var index = event.state && event.state.tassel;
    if (!bearer || !places[index]) return;
    at = index;
    visit(new URL(places[index]), {}, false);
  });

  document.addEventListener("htmx:config:request", function (event) {
    if (bearer) event.detail.ctx.request.headers.Authorization = "Bearer " + bearer;
  });

  document.addEventListener("htmx:after:swap", function () {
    document.querySelectorAll("img[src]").forEach(function (image) {
      if (image.src.indexOf("blob:") === 0) return;
      hold(image);
      if (image.dataset.held) picture(image);
    });
  });

  enter().catch(function () { failed(given.wordsFailed); });
})();
