//go:build trace

package pagetest

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/browsertest"
)

// frame is how long a screen of 60 Hz shows a picture.
const frame = time.Second / 60

// leastKept is the share of frames that scripts may not cost, while a model trains.
const leastKept = 0.99

// traceEvent is one of Chromium's trace. Times are in microseconds.
type traceEvent struct {
	Name     string  `json:"name"`
	Phase    string  `json:"ph"`
	TS       float64 `json:"ts"`
	Duration float64 `json:"dur"`
	CPU      float64 `json:"tdur"` // of the thread
	Process  int     `json:"pid"`
	Thread   int     `json:"tid"`
	Args     struct {
		Name string `json:"name"`
		Data struct {
			Score          float64 `json:"score"`
			HadRecentInput bool    `json:"had_recent_input"`
			Duration       float64 `json:"duration"`
			URL            string  `json:"url"`
		} `json:"data"`
	} `json:"args"`
}

// trace gives what Chromium's trace has of the time in which something is done.
func (p tab) trace(do func()) (events []traceEvent) {
	p.Helper()
	done := make(chan struct{})
	ctx, hearNoMore := context.WithCancel(p.ctx)
	defer hearNoMore()
	require.NoError(p, chromedp.Listen(ctx, func(event any) {
		switch event := event.(type) {
		case *tracing.EventDataCollected:
			for _, value := range event.Value {
				var e traceEvent
				if json.Unmarshal(value, &e) == nil { // arguments of others have other types
					events = append(events, e)
				}
			}
		case *tracing.EventTracingComplete:
			close(done)
		}
	}))
	_, err := chromedp.Call(p.ctx, tracing.Start, tracing.StartParams{
		TransferMode: tracing.StartTransferModeReportEvents,
		TraceConfig:  &tracing.TraceConfig{IncludedCategories: []string{"devtools.timeline", "loading", "blink.user_timing", "toplevel"}},
	})
	require.NoError(p, err)
	do()
	_, err = chromedp.Call(p.ctx, tracing.End, cdp.Empty{})
	require.NoError(p, err)
	select {
	case <-done:
	case <-time.After(patience):
		require.FailNow(p, "the trace does not end")
	}
	return events
}

// TestArticleTrace measures the article as its reader has it: when something is seen first, what
// moves, how long the page takes to react, and what frames its scripts cost while a model trains.
func TestArticleTrace(t *testing.T) {
	s := newSite(t)
	p := s.open(t, browsertest.Chromium(t), "bench.html") // so that the article comes new
	var began float64
	opened := p.trace(func() {
		require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(s.url)))
		p.untilArticle("ready")
		js[bool](p, `new Promise(async (done) => {
			for (const figure of document.querySelectorAll("figure, .lesson")) {
				figure.scrollIntoView();
				await new Promise((wait) => setTimeout(wait, 200));
			}
			done(true);
		})`)
	})
	var paint, shift float64
	slices.SortStableFunc(opened, func(a, b traceEvent) int { return int(math.Copysign(1, a.TS-b.TS)) })
	for _, e := range opened {
		switch e.Name {
		case "navigationStart":
			if paint == 0 { // later ones are the worker's
				began = e.TS
			}
		case "firstContentfulPaint":
			paint = e.TS
		case "LayoutShift":
			if !e.Args.Data.HadRecentInput {
				shift += e.Args.Data.Score
			}
		}
	}
	require.Greater(t, paint, began)
	t.Logf("first contentful paint: %.0f ms", (paint-began)/1000)
	t.Logf("layout shift: %.3f", shift)
	assert.Less(t, shift, 0.1, "what web.dev calls good")

	interactions := p.trace(func() {
		for range 8 {
			require.NoError(t, chromedp.Do(p.ctx, chromedp.Click("#figure-explorer button")))
			require.NoError(t, chromedp.Do(p.ctx, chromedp.Click("#figure-factors input[type=range]")))
		}
	})
	var delays []float64
	for _, e := range interactions {
		if e.Name == "EventTiming" && e.Args.Data.Duration > 0 {
			delays = append(delays, e.Args.Data.Duration)
		}
	}
	require.NotEmpty(t, delays)
	slices.Sort(delays)
	t.Logf("from a press to what it shows: %.0f ms in the median of %d, %.0f ms at most", delays[len(delays)/2], len(delays), delays[len(delays)-1])

	training := p.trace(func() {
		js[bool](p, `document.querySelector("#figure-factors button").click(); true`)
		p.untilArticle("training")
		p.untilArticle("ready")
	})
	main := map[[2]int]bool{}
	for _, e := range training {
		if e.Name == "thread_name" && e.Args.Name == "CrRendererMain" {
			main[[2]int{e.Process, e.Thread}] = true
		}
	}
	require.NotEmpty(t, main)
	scripts := []string{"FunctionCall", "EvaluateScript", "FireAnimationFrame", "TimerFire", "EventDispatch", "RunMicrotasks", "HandlePostMessage"}
	var first, last, lostWall, lostCPU, longest float64
	busyUntil := map[[2]int]float64{}
	slices.SortStableFunc(training, func(a, b traceEvent) int { return int(math.Copysign(1, a.TS-b.TS)) })
	for _, e := range training {
		thread := [2]int{e.Process, e.Thread}
		if !main[thread] || e.Phase != "X" {
			continue
		}
		if first == 0 {
			first = e.TS
		}
		last = max(last, e.TS+e.Duration)
		if !slices.Contains(scripts, e.Name) || e.TS < busyUntil[thread] {
			continue // within another
		}
		busyUntil[thread] = e.TS + e.Duration
		const each = float64(frame / time.Microsecond)
		lostWall += math.Floor(e.Duration / each)
		lostCPU += math.Floor(e.CPU / each)
		longest = max(longest, e.CPU)
	}
	frames := (last - first) / float64(frame/time.Microsecond)
	t.Logf("training for %.0f s: scripts keep %.2f %% of the frames by the clock and %.2f %% by the thread's own time; the longest takes %.1f ms of it",
		(last-first)/1e6, 100*(1-lostWall/frames), 100*(1-lostCPU/frames), longest/1000)
	assert.Greater(t, 1-lostCPU/frames, leastKept)
}
