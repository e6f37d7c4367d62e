//go:build !js

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/go-dept/dept/internal/browsertest"
)

// visit trains on the page that a program serves, in a Chromium of its own, and reads
// the median time of a step as a visitor would.
func visit(program, _ string, settings []string) (f figures, err error) {
	serve := exec.Command(program, "serve", "--addr", "127.0.0.1:0")
	out, err := serve.StdoutPipe()
	if err != nil {
		return f, err
	}
	if err := serve.Start(); err != nil {
		return f, err
	}
	defer func() {
		serve.Process.Signal(os.Interrupt)
		serve.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return f, fmt.Errorf("%s serve says no address: %w", program, err)
	}
	address, _, _ := strings.Cut(line, " ")

	browser, stop, err := browsertest.Start()
	defer stop()
	if err != nil {
		return f, err
	}
	if err := chromedp.Do(browser, chromedp.Navigate(strings.TrimSpace(address)+"#"+strings.Join(settings, "&"))); err != nil {
		return f, fmt.Errorf("the page of %s: %w", program, err)
	}
	text := func(id string) (string, error) {
		return chromedp.Run(browser, chromedp.Evaluate[string](fmt.Sprintf(`document.getElementById(%q).textContent`, id)))
	}
	says := func(start string) error {
		for ; ; time.Sleep(200 * time.Millisecond) {
			status, err := text("status")
			if err != nil || strings.HasPrefix(status, start) {
				return err
			}
			failed, err := chromedp.Run(browser, chromedp.Evaluate[bool](`document.getElementById("status").className === "error"`))
			if err != nil {
				return err
			}
			if failed {
				return fmt.Errorf("the page of %s says: %s", program, status)
			}
		}
	}
	if err := says("Ready"); err != nil {
		return f, err
	}
	if err := chromedp.Do(browser, chromedp.Click("#train")); err != nil {
		return f, err
	}
	if err := says("Done"); err != nil {
		return f, err
	}
	ms, err := text("mine-ms")
	if err != nil {
		return f, err
	}
	if f.pageMS, err = strconv.ParseFloat(ms, 64); err != nil || f.pageMS <= 0 {
		return f, fmt.Errorf("the page of %s shows no time of a step: %q", program, ms)
	}
	return f, nil
}
