// Launch without a cookie: find the login's secret and post the launch again with it.
(async function () {
  "use strict";
  var page = document.getElementById("prove");
  var stuck = document.getElementById("stuck");
  var form = document.getElementById("proof");
  var store = window.tasselStore;
  var given = page.dataset;
  var key = "tassel-launch-" + given.key;
  page.hidden = false;
  stuck.hidden = true;

  function send(secret, from) {
    form.elements.binding.value = secret;
    form.elements.store.value = from;
    form.submit();
  }

  var mine = store.recall(key);
  var platform = store.recall(key + "-platform");
  if (platform !== "no") {
    var theirs = await store.get({ lms: given.lms, frame: given.frame }, key);
    if (theirs) { send(theirs, "platform"); return; }
  }
  if (mine) { send(mine, "session"); return; }
  page.hidden = true;
  stuck.hidden = false;
})();
