// The service worker: it keeps one build of the pages, so that they open without their
// server. `make web` puts the build's version, its pages and its files above this.
//
// A page comes from the server as long as that answers, and names the other files by
// their name and its own version, main.js?VERSION. What is asked for so is taken from
// here where it is kept, so that a page is of one build, new or old. All else goes past:
// other origins, models, bench.html, and run.html of dept serve --watch.

const start = `go-dept page ${registration.scope} `; // of the names of our caches
const own = start + version;
const first = "index.html";
const patience = 5000; // ms that a server may take to send a page

const address = (file, of = version) => new URL(`${file}?${of}`, registration.scope).href;

async function digest(content) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** keep fetches the build, whole or not at all. */
async function keep() {
  try {
    const cache = await caches.open(own);
    // A cache that holds the last of the pages holds everything.
    for (const file of [...Object.keys(files), ...pages]) {
      const response = await fetch(address(file), { cache: "no-cache" });
      const content = await response.arrayBuffer();
      // A page has no digest: it holds the version.
      const right = pages.includes(file) ? new TextDecoder().decode(content).includes(`.js?${version}`) : (await digest(content)) === files[file];
      if (!response.ok || !right) throw new Error(`${file} is not of build ${version}`);
      const headers = new Headers(response.headers);
      for (const name of ["Content-Encoding", "Content-Length", "Vary"]) headers.delete(name); // of how it came
      await cache.put(address(file), new Response(content, { headers }));
    }
  } catch (e) {
    await caches.delete(own);
    throw e;
  }
}

const kept = async () => (await caches.keys()).filter((name) => name.startsWith(start));

/** newest is a page of the newest build that is here whole, if there is one. */
async function newest(page) {
  for (const name of (await kept()).reverse()) {
    const of = (file) => caches.match(address(file, name.slice(start.length)), { cacheName: name });
    if (await of(pages.at(-1))) return of(page);
  }
}

/** open answers for a page: the server's, or ours where it does not answer. */
async function open(event, page) {
  const late = new Promise((resolve) => setTimeout(resolve, patience));
  const ask = fetch(event.request.url, { cache: "no-cache", redirect: "manual" });
  const fresh = await Promise.race([ask, late]).catch(() => undefined);
  const here = await newest(page);
  if (here && !(fresh?.status < 500)) return here;
  const policy = (response) => response?.headers.get("Content-Security-Policy");
  if (fresh?.ok && (!here || policy(here) !== policy(fresh))) {
    // The server allows something else now, which holds for every file.
    for (const name of await kept()) await caches.delete(name);
    event.waitUntil(keep().catch(() => {}));
  }
  return fresh ?? ask;
}

addEventListener("install", (event) => event.waitUntil(keep()));

// No tab has a page of an older build open by now.
addEventListener("activate", (event) => event.waitUntil((async () => {
  for (const name of await kept()) if (name !== own) await caches.delete(name);
})()));

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(registration.scope)) return;
  const [file, query] = request.url.slice(registration.scope.length).split("#")[0].split("?");
  if (request.mode === "navigate") {
    const page = file || first;
    if (pages.includes(page)) event.respondWith(open(event, page));
  } else if (file in files && /^[0-9a-f]{16}$/.test(query)) {
    event.respondWith(caches.match(request).then((found) => found ?? fetch(request)));
  }
});
