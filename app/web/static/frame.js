// What pages do beyond htmx: tell the LMS how tall the page is, move the focus to errors, copy a link.
// A document that stays while its pages change (bearer.js) calls window.tasselDress for each of them.
(function () {
  "use strict";
  // lti.frameResize: so that the LMS needs no second scroll bar.
  var last = 0;
  var watcher = null;
  function send() {
    var height = document.documentElement.scrollHeight;
    if (height === last) return;
    last = height;
    window.parent.postMessage({ subject: "lti.frameResize", height: height }, "*");
  }

  // Copy buttons are hidden until there is a script that makes them work.
  function copying(button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      var source = document.getElementById(button.dataset.copy);
      source.select();
      navigator.clipboard.writeText(source.value).then(function () {
        document.getElementById("live").textContent = button.dataset.copied || "";
        button.textContent = button.dataset.copied || button.textContent;
      }, function () { document.execCommand("copy"); });
    });
  }

  window.tasselDress = function () {
    if (window.parent !== window) {
      if (watcher) watcher.disconnect();
      watcher = new ResizeObserver(send);
      watcher.observe(document.body);
      send();
    }
    var errors = document.getElementById("errors");
    if (errors) errors.focus();
    document.querySelectorAll("[data-copy][hidden]").forEach(copying);
  };
  // A launch that its cookie proved needed no other store: the secret that the login put there goes.
  function forget() {
    if (document.querySelector("#begin, #prove, #shell")) return;
    try {
      Object.keys(window.sessionStorage).forEach(function (key) {
        if (key.indexOf("tassel-launch-") === 0) window.sessionStorage.removeItem(key);
      });
    } catch (_error) { /* a frame without a store */ }
  }

  forget();
  window.tasselDress();
})();
