//go:build !js

package pagetest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// appearance is how somebody looks at the page.
type appearance struct {
	name          string
	width, height int64
	scale         float64 // pixels of the screen for one of the page's
	media         map[string]string
}

var desk = appearance{name: "desk", width: 1280, height: 800, scale: 1}

// appearances are those that pictures are kept of.
var appearances = []appearance{
	{name: "phone", width: 390, height: 844, scale: 1},
	{name: "narrow", width: 320, height: 640, scale: 1},
	{name: "zoomed", width: 640, height: 400, scale: 2}, // to 200 %
	{name: "dark", width: 1280, height: 800, scale: 1, media: map[string]string{"prefers-color-scheme": "dark"}},
	{name: "forced", width: 1280, height: 800, scale: 1, media: map[string]string{"forced-colors": "active"}},
	{name: "still", width: 1280, height: 800, scale: 1, media: map[string]string{"prefers-reduced-motion": "reduce"}},
	desk,
}

// look finds nothing against axe-core's rules on the page as it stands, in the light and
// in the dark, and nothing wider than 320 pixels on a screen of those; and keeps pictures.
func (p tab) look(name string) {
	p.Helper()
	p.appear(desk)
	p.accessible(name)
	dark := desk
	dark.media = map[string]string{"prefers-color-scheme": "dark"}
	p.appear(dark)
	p.accessible(name + " in the dark")
	narrow := desk
	narrow.width = 320
	p.appear(narrow)
	p.until(`innerWidth === 320`)
	assert.Empty(p, js[[]string](p, `document.scrollingElement.scrollWidth <= 320 ? [] : Array.from(document.querySelectorAll("body *"))
		.filter((e) => e.getBoundingClientRect().right > 320 && !e.parentElement.closest(".scroll")).map((e) => e.tagName + "#" + e.id + "." + e.className)`), "%s is wider than 320 pixels", name)
	p.picture(name, appearances...)
	p.appear(desk)
}

// picture keeps pictures of the page in $DEPT_SCREENSHOTS, where that is set.
func (p tab) picture(name string, as ...appearance) {
	p.Helper()
	dir := os.Getenv("DEPT_SCREENSHOTS")
	if dir == "" {
		return
	}
	for _, a := range as {
		p.appear(a)
		time.Sleep(300 * time.Millisecond) // until the charts have their new sizes
		picture, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
		require.NoError(p, err)
		require.NoError(p, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s.png", name, a.name)), picture, 0o666))
	}
}

func (p tab) appear(a appearance) {
	p.Helper()
	features := []*emulation.MediaFeature{}
	for _, name := range []string{"prefers-color-scheme", "forced-colors", "prefers-reduced-motion"} {
		features = append(features, &emulation.MediaFeature{Name: name, Value: a.media[name]})
	}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
	require.NoError(p, err)
	require.NoError(p, chromedp.Do(p.ctx, chromedp.EmulateViewport(a.width, a.height, chromedp.EmulateScale(a.scale))))
}

// accessible finds nothing that axe-core has against the page as it stands.
func (p tab) accessible(state string) {
	p.Helper()
	if !js[bool](p, `window.axe !== undefined`) {
		axe, err := os.ReadFile("../../web/node_modules/axe-core/axe.min.js")
		require.NoError(p, err)
		js[bool](p, "%s; true", axe)
	}
	violations := js[[]struct {
		ID, Help string
		Nodes    []struct {
			HTML           string
			FailureSummary string
		}
	}](p, `axe.run({resultTypes: ["violations"]}).then(({violations}) => violations)`)
	for _, v := range violations {
		for _, n := range v.Nodes {
			assert.Fail(p, "axe-core finds", "%s: %s, %s\n%s\n%s", state, v.ID, v.Help, n.HTML, strings.TrimSpace(n.FailureSummary))
		}
	}
}

// walk goes through the page with the keyboard alone: Tab comes to everything that can be
// used, in the order in which it is read, and shows where it is.
func (p tab) walk() {
	p.Helper()
	want := js[[]string](p, `(() => {
		window.nameOf = (e) => e === document.body ? "body" : e.id || e.value || e.getAttribute("aria-label") || e.textContent.trim() || e.outerHTML;
		document.activeElement.blur();
		return Array.from(document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]"))
			.filter((e) => e.checkVisibility({visibilityProperty: true}) && !e.matches(":disabled, [tabindex='-1']")).map(nameOf);
	})()`)
	require.Greater(p, len(want), 20)
	var got []string
	for len(got) < len(want) {
		require.NoError(p, chromedp.Do(p.ctx, chromedp.KeyEvent(kb.Tab)))
		now := js[struct {
			Name  string
			Shown bool
		}](p, `(() => {
			const e = document.activeElement;
			const marked = (x) => x && (getComputedStyle(x).outlineStyle !== "none" || getComputedStyle(x).boxShadow !== "none");
			return {name: nameOf(e), shown: marked(e) || marked(e.closest("label"))};
		})()`)
		if now.Name == "body" {
			continue // after the last comes the window, and then the first
		}
		got = append(got, now.Name)
		assert.True(p, now.Shown, "nothing shows that the keyboard is at %s", now.Name)
	}
	first := max(0, slices.Index(got, want[0])) // it began where the pointer was last
	assert.Equal(p, want, slices.Concat(got[first:], got[:first]))
}
