// What pages do beyond htmx: tell the LMS how tall the page is, move the focus to errors, copy a link.
(function () {
  // lti.frameResize: so that the LMS needs no second scroll bar.
  var last = 0;
  function send() {
    var height = document.documentElement.scrollHeight;
    if (height === last) return;
    last = height;
    window.parent.postMessage({ subject: "lti.frameResize", height: height }, "*");
  }
  if (window.parent !== window) {
    new ResizeObserver(send).observe(document.body);
    send();
  }

  var errors = document.getElementById("errors");
  if (errors) errors.focus();

  // Copy buttons are hidden until there is a script that makes them work.
  document.querySelectorAll("[data-copy]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      var source = document.getElementById(button.dataset.copy);
      source.select();
      navigator.clipboard.writeText(source.value).then(function () {
        document.getElementById("live").textContent = button.dataset.copied || "";
        button.textContent = button.dataset.copied || button.textContent;
      }, function () { document.execCommand("copy"); });
    });
  });
})();
