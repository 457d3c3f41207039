// Renews the part of the page that changes, while the page is visible. Without this script the page
// shows the moment in which it was asked for.
"use strict";

const live = document.getElementById("live");
const note = document.getElementById("updating");
const everyMs = Number(live?.dataset.every || 0) * 1000;
let timer = 0;

function isInUse() {
  // What is being typed, chosen or tabbed through is not taken away.
  return live.contains(document.activeElement) || live.querySelector("input:checked") !== null;
}

function tell(trouble) {
  note.hidden = trouble === "";
  note.querySelector("span").textContent = trouble;
}

async function renew() {
  window.clearTimeout(timer);
  if (document.hidden) {
    return;
  }
  try {
    if (!isInUse()) {
      const answer = await fetch(location.href, {
        headers: { "X-Status-Part": "live" },
        redirect: "error",
        signal: AbortSignal.timeout(10000),
      });
      if (!answer.ok && answer.status !== 404) {
        throw new Error(`the server answered ${answer.status}`);
      }
      const text = await answer.text();
      if (!isInUse()) {
        live.innerHTML = text;
      }
    }
    tell("");
  } catch (error) {
    tell(error.message || "the server did not answer");
  }
  timer = window.setTimeout(renew, everyMs);
}

if (everyMs > 0) {
  timer = window.setTimeout(renew, everyMs);
  document.addEventListener("visibilitychange", renew);
}
