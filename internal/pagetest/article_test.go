//go:build !js

package pagetest

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/browsertest"
)

// TestArticle reads the article: as text alone, then with the model that its figures are.
func TestArticle(t *testing.T) {
	s := newSite(t)
	browser := browsertest.Chromium(t)
	if os.Getenv("DEPT_RECORDING") != "" {
		p := s.open(t, browser, "?record")
		content := p.download("recording.json", func() {})
		require.NoError(t, os.WriteFile("../../web/article/recording.json", content, 0o666))
	}
	for _, part := range []struct {
		name string
		do   func(*site, tab)
	}{
		{"without JavaScript", (*site).articleAsText},
		{"with the model", (*site).articleAlive},
		{"one figure in another's page", (*site).figureInFrame},
	} {
		t.Run(part.name, func(t *testing.T) {
			part.do(s, newTab(t, browser, chromedp.WithNewBrowserContext()))
		})
	}
}

// articleAsText reads the article where there is no JavaScript: text, numbers and still pictures.
func (s *site) articleAsText(p tab) {
	_, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(p, err)
	s.requests()
	require.NoError(p, chromedp.Do(p.ctx, chromedp.Navigate(s.url)))
	assert.Subset(p, []string{"./", "article.css", "article.js"}, s.requests(), "nothing else is needed")
	text := js[string](p, `document.querySelector("main").innerText`)
	for _, want := range []string{"What a prompt is made of", "1,476,608", "Guess, then run it", "What it showed when we ran it"} {
		assert.Contains(p, text, want)
	}
	assert.NotContains(p, text, "TODO")
	empty := js[[]string](p, `Array.from(document.querySelectorAll("figure")).filter((f) => f.querySelector(".picture").textContent.trim().length < 20).map((f) => f.id)`)
	assert.Empty(p, empty, "figures that show nothing")
	assert.Empty(p, js[[]string](p, `Array.from(document.querySelectorAll("button")).filter((b) => b.checkVisibility() && !b.matches(".cell")).map((b) => b.textContent)`), "buttons that do nothing")
	p.picture("article-text", desk)
}

// articleAlive has the figures computed by the model in the tab.
func (s *site) articleAlive(p tab) {
	require.NoError(p, chromedp.Do(p.ctx, chromedp.Navigate(s.url)))
	said := js[string](p, `document.querySelector(".source").textContent`)
	assert.Contains(p, said, "recorded", "until the model is here")
	p.look("article-recorded")
	js[bool](p, `document.querySelector("figure").scrollIntoView(); true`)
	p.untilArticle("ready")

	// A sentence is answered with each part, and every figure is of it.
	p.until(`document.querySelector("#figure-ask .source").textContent.includes("Computed in this tab")`)
	assert.Contains(p, js[string](p, `document.querySelector("#figure-factors .source").textContent`), "recorded")
	p.setArticle("#figure-ask input", "airport and guitar and pancake")
	p.until(`document.querySelector("#figure-ask tr:last-child .answer").textContent === "travel"`)
	p.until(`document.querySelector("#figure-path .token").textContent.startsWith("air")`)
	adapter := p.TempDir()
	writeSteered(p.T, adapter)
	assert.Equal(p, s.predict(p.T, adapter, []string{"airport and guitar and pancake"}), []string{"travel"}, "as dept predict does with the same prompt")

	// A, B and their product grow from nothing, with rank 1.
	js[bool](p, `document.querySelector("#figure-factors button").click(); true`)
	p.until(`document.querySelector("#figure-factors .number").textContent.startsWith("after step 0")`)
	p.untilArticle("training")
	const frames = `Number(document.querySelector("#figure-factors input[type=range][max]:not([min='1'])").max)`
	p.until(frames + ` >= 5`)
	js[bool](p, `document.querySelector("#figure-factors button + button").click(); true`)
	p.untilArticle("ready")
	assert.GreaterOrEqual(p, js[int](p, frames), 5, "moments of a run that was stopped stay")

	// An exercise says how the guess was, after a run.
	js[bool](p, `document.querySelector("#lesson-no-shift input[value='1']").click(); document.querySelector("#lesson-no-shift .go").click(); true`)
	p.untilArticle("training")
	p.untilArticle("ready")
	p.until(`document.querySelector("#lesson-no-shift .outcome").textContent.includes("This run gets")`)
	assert.Contains(p, js[string](p, `document.querySelector("#lesson-no-shift .outcome").textContent`), "You guessed right")

	// Its link is the workshop with the same settings.
	link := js[string](p, `document.querySelector("#lesson-no-shift .open").href`)
	require.NoError(p, chromedp.Do(p.ctx, chromedp.Navigate(link)))
	p.until(`document.getElementById("rank")?.value === "0" && document.getElementById("prompt-length").value === "4"`)
}

// figureInFrame shows one figure inside a page of another site, which the server has named.
func (s *site) figureInFrame(p tab) {
	require.NoError(p, chromedp.Do(p.ctx, chromedp.Navigate(s.url+"?figure=path")))
	p.until(`document.querySelector("#figure-path").checkVisibility()`)
	assert.Equal(p, []string{"figure-path"}, js[[]string](p, `Array.from(document.querySelectorAll("figure, h1, h2, .lesson, nav")).filter((e) => e.checkVisibility()).map((e) => e.id)`))
}

// untilArticle waits until the model of the article is ready or training.
func (p tab) untilArticle(status string) {
	p.Helper()
	p.until(`[%q, "failed"].includes(document.body.dataset.status)`, status)
	require.Equal(p, status, js[string](p, `document.body.dataset.status`), js[string](p, `document.getElementById("said").textContent`))
}

// setArticle types into a field of the article's.
func (p tab) setArticle(selector, value string) {
	p.Helper()
	js[bool](p, `(() => {
		const input = document.querySelector(%q);
		input.value = %q;
		input.dispatchEvent(new Event("input", {bubbles: true}));
		return true;
	})()`, selector, value)
}

// writeSteered writes the adapter that the article comes with as a folder.
func writeSteered(t *testing.T, dir string) {
	t.Helper()
	content, err := os.ReadFile("../../web/article/recording.json")
	require.NoError(t, err)
	var recorded struct{ Adapter []byte }
	require.NoError(t, json.Unmarshal(content, &recorded))
	for name, data := range unzip(t, recorded.Adapter) {
		require.NoError(t, os.WriteFile(fmt.Sprintf("%s/%s", dir, name), data, 0o666))
	}
}
