/**
 * keepOffline has the browser keep the page, and says in an element when it has. Where
 * that cannot be, over plain http and in some private windows, nothing is kept or said.
 */
export async function keepOffline(element) {
  try {
    await navigator.serviceWorker.register("sw.js", { updateViaCache: "none" });
    await navigator.serviceWorker.ready;
    element.textContent = "This page works offline now.";
  } catch {
    // It goes on needing its server.
  }
}
