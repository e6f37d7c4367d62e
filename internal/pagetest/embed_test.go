//go:build !js

package pagetest

import (
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/internal/browsertest"
)

// A page of somebody else's, under the strictest policy, trains with dept.mjs, stops, asks and
// keeps the adapter; programs tell its errors apart. TypeScript finds nothing against it.
func TestEmbed(t *testing.T) {
	_, err := built()
	require.NoError(t, err)
	types := exec.Command("npm", "run", "--silent", "types")
	types.Dir = "../../web"
	out, err := types.CombinedOutput()
	require.NoError(t, err, "%s", out)

	h := &host{}
	h.start(t, os.DirFS("../../web/dist"), "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'")
	p := newTab(t, browsertest.Chromium(t))
	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate("http://"+h.address+underPath+"embed.html")))
	p.until(`document.getElementById("status").value.startsWith("Ready on ")`)
	p.click("train")
	p.until(`/^Done after 20 steps: [0-9]+ %% of the rows held back are right\.$/.test(document.getElementById("status").value)`)
	p.until(`!document.getElementById("download").hidden`)
	adapter, err := dept.ParseAdapter(unzip(t, p.download("adapter.zip", func() { p.click("download") })))
	require.NoError(t, err)
	assert.Equal(t, 4, adapter.Config.Positions())
	require.NotNil(t, adapter.Answers)
	assert.Equal(t, []string{"good", "bad"}, adapter.Answers.Labels)

	p.set("text", "a lovely film")
	js[bool](p, `document.getElementById("ask").requestSubmit() ?? true`)
	p.until(`["good", "bad"].includes(document.getElementById("answer").value)`)
	p.picture("embed", desk)

	p.click("train")
	p.until(`document.getElementById("status").value.startsWith("step ")`)
	p.click("stop")
	p.until(`document.getElementById("status").value === "Stopped."`)
	p.set("rows", "one line")
	p.click("train")
	p.until(`document.getElementById("status").value.includes("Write one row a line")`)

	// What there is no button for.
	failures := js[[]string](p, `(async () => {
		const { load, DeptError } = await import("./dept.mjs");
		const failed = [];
		const fails = async (promise) => failed.push(await promise.then(() => "nothing", (e) => e instanceof DeptError ? e.code : String(e)));
		await fails(load([new File(["{}"], "notes.json")]));
		await fails(load("", { signal: AbortSignal.abort("aborted") }));
		const late = new AbortController();
		await fails(load("", { signal: late.signal, onprogress: () => late.abort("aborted while loading") }));
		await fails(load([]));
		const model = await load();
		await fails(model.import([new File(["{}"], "adapter_config.json")]));
		await fails(model.export());
		await fails(model.train("", { step: 1 }));
		const left = model.predict("a dull film");
		model.close();
		await fails(left);
		await fails(model.predict("a dull film"));
		return failed;
	})()`)
	assert.Equal(t, []string{"file", "aborted", "aborted while loading", "file", "adapter", "order", "settings", "cancelled", "cancelled"}, failures)
}
