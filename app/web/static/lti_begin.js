// Login: put the secret where this browser finds it again, then go on to the LMS. Nothing works: a new tab.
(async function () {
  "use strict";
  var page = document.getElementById("begin");
  var store = window.tasselStore;
  var given = page.dataset;
  var key = "tassel-launch-" + given.key;

  function go() { window.location.replace(given.go); }

  // Also where a cookie seems to stick: what a script sets is no proof for what the server sets.
  var here = store.remember(key, given.secret);
  if (store.cookie()) { go(); return; }
  var there = await store.put({ lms: given.lms, frame: given.frame }, key, given.secret);
  // Which of the two answers is tried first when the launch comes back.
  store.remember(key + "-platform", there ? "yes" : "no");
  if (there || here) { go(); return; }
  page.hidden = true;
  document.getElementById("stuck").hidden = false;
})();
