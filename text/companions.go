package text

import (
	"fmt"
	"slices"
	"strconv"
)

// companions is what the files beside a tokenizer say about it: which tokens were added to it and how many
// sentinels it has.
type companions struct {
	class    string // of Hugging Face's tokenizer
	added    []addedToken
	extraIDs *int // nil: they do not say
}

// maxSentinels is many times what any tokenizer has.
const maxSentinels = 1 << 12

// parseCompanions reads tokenizer_config.json and added_tokens.json, as far as they are there. Where both
// list the added tokens, the first is the newer one and counts, as for Hugging Face's transformers.
func parseCompanions(files map[string][]byte) (c companions, err error) {
	var config struct {
		Class    string               `json:"tokenizer_class"`
		ExtraIDs *int                 `json:"extra_ids"`
		Added    map[string]addedJSON `json:"added_tokens_decoder"`
	}
	if data, ok := files[configFile]; ok {
		if err := unmarshal(data, &config); err != nil {
			return c, fmt.Errorf("%s: %w", configFile, err)
		}
	}
	c.class, c.extraIDs = config.Class, config.ExtraIDs
	if c.extraIDs != nil && (*c.extraIDs < 0 || *c.extraIDs > maxSentinels) {
		return c, fmt.Errorf("%s: extra_ids is %d, outside 0 to %d", configFile, *c.extraIDs, maxSentinels)
	}
	for id, a := range config.Added {
		n, err := strconv.Atoi(id)
		if err != nil {
			return c, fmt.Errorf("%s: added_tokens_decoder has %q where an id should be", configFile, id)
		}
		c.added = append(c.added, addedToken{text: a.Content, id: n, special: a.Special, lstrip: a.LStrip, rstrip: a.RStrip})
	}
	if data, ok := files[addedFile]; ok && len(c.added) == 0 {
		var ids map[string]int
		if err := unmarshal(data, &ids); err != nil {
			return c, fmt.Errorf("%s: %w", addedFile, err)
		}
		for text, id := range ids {
			c.added = append(c.added, addedToken{text: text, id: id, special: true})
		}
	}
	slices.SortFunc(c.added, func(a, b addedToken) int { return a.id - b.id })
	return c, nil
}
