//go:build !js

package pagetest

import (
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// quota sets how many bytes the browser stores for the site; nil is as it comes.
func (p tab) quota(bytes *float64) {
	p.Helper()
	_, err := chromedp.Call(p.ctx, storage.OverrideQuotaForOrigin, storage.OverrideQuotaForOriginParams{
		Origin: js[string](p, `location.origin`), QuotaSize: bytes,
	})
	require.NoError(p, err)
}

// fullStorage is a run, paused and kept after a step, that goes on where no more can be kept: it
// says so, and what it has trained can be downloaded.
func (p tab) fullStorage(step int) {
	p.Helper()
	p.quota(new(float64(1)))
	p.click("step")
	p.until(`document.getElementById("step-count").textContent === "%d / 5000"`, step+1)
	p.until(`document.getElementById("keeping").textContent === "The run goes on, but the browser's storage has no more room to keep it. A reload takes it back to step %d: download the adapter at the end."`, step)
	p.look("full-storage")
	assert.Contains(p, p.adapter(), "adapter_model.safetensors")
	p.quota(nil)
}

// otherTab is a tab beside one whose run is kept. It trains a run of its own, which is not; when
// the first tab has gone, a reload offers the run of that.
func (v *visit) otherTab(first tab) tab {
	first.Helper()
	p := v.openBeside(first.T, first.ctx, "workshop.html#steps=100")
	p.untilStatus("Ready")
	assert.Empty(p, p.text("interrupted-text"))
	p.click("step")
	p.until(`document.getElementById("keeping").textContent.startsWith("Another tab of this page keeps a run. This one goes on")`)
	p.until(`document.getElementById("step-count").textContent === "1 / 100"`)
	p.look("other-tab")
	assert.Contains(p, p.adapter(), "adapter_model.safetensors")

	require.NoError(p, chromedp.Do(first.ctx, chromedp.Navigate("about:blank")))
	p.reload()
	p.until(`!document.getElementById("interrupted").hidden`)
	return p
}
