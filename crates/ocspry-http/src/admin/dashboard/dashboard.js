"use strict";
// Looks at the page again every few seconds and puts what is new in place of what was there.
const SECONDS = 5;
const pause = document.getElementById("pause");
const lost = document.getElementById("lost");
let isPaused = false;
let seen = new Date();

function put(part, fresh) {
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.replaceChildren(...fresh.childNodes);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function look() {
  const isReading = !document.getSelection().isCollapsed;
  if (isPaused || isReading || document.hidden) return;
  try {
    const reply = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (!reply.ok) throw new Error(reply.statusText);
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    if (isPaused) return;
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(part.id);
      if (fresh && fresh.innerHTML !== part.innerHTML) put(part, fresh);
    }
    document.title = page.title;
    seen = new Date();
    lost.textContent = "";
  } catch {
    if (!lost.textContent) lost.textContent = `✕ No answer since ${seen.toISOString().slice(11, 19)}Z: what is here is old`;
  }
}

pause.hidden = false;
pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.textContent = isPaused ? "Resume updates" : "Pause updates";
  look();
});
setInterval(look, SECONDS * 1000);
