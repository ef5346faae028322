package browser

import (
	"fmt"

	"github.com/chromedp/chromedp"
)

// setValue types a text into a field, replacing what is there.
func setValue(selector, text string) chromedp.Action {
	return chromedp.Evaluate(fmt.Sprintf(`{
		const e = document.querySelector(%q);
		e.value = %q;
		e.dispatchEvent(new Event("input", {bubbles: true}));
	}`, selector, text), nil)
}

// click clicks as a program does, wherever the element is.
func click(selector string) chromedp.Action {
	return chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).click()`, selector), nil)
}
