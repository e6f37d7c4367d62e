/**
 * keepOffline has the browser keep the page, and says in an element when it has. Where
 * that cannot be, over plain http and in some private windows, nothing is kept or said.
 */
export async function keepOffline(element, text = "This page works offline now.") {
  try {
    await navigator.serviceWorker.register("sw.js", { updateViaCache: "none" });
    await navigator.serviceWorker.ready;
    element.textContent = text;
  } catch {
    // It goes on needing its server.
  }
}
