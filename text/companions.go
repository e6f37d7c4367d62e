package text

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dept/dept/internal/jsontext"
)

// companions is what the files beside a tokenizer say about it: which tokens were added to it and how many
// sentinels it has.
type companions struct {
	class    string       // of Hugging Face's tokenizer
	added    []addedToken // those with ids
	special  []string     // special tokens that are added behind all others, in this order
	extraIDs *int         // nil: they do not say
}

// hasSentinels says whether sentinels are among the tokens that were added.
func (c *companions) hasSentinels() bool {
	return slices.ContainsFunc(c.added, func(a addedToken) bool { return isSentinel(a.text) })
}

// maxSentinels is many times what any tokenizer has.
const maxSentinels = 1 << 12

// parseCompanions reads tokenizer_config.json and added_tokens.json, as far as they are there. Where both
// list the added tokens, the first is the newer one and counts, as for Hugging Face's transformers.
func parseCompanions(files map[string][]byte) (c companions, err error) {
	var config struct {
		Class    string          `json:"tokenizer_class"`
		ExtraIDs *int            `json:"extra_ids"`
		Added    json.RawMessage `json:"added_tokens_decoder"`
		Special  json.RawMessage `json:"additional_special_tokens"`
	}
	if data, ok := files[configFile]; ok {
		if err := jsontext.Unmarshal(data, &config); err != nil {
			return c, fmt.Errorf("%s: %w", configFile, err)
		}
	}
	c.class, c.extraIDs = strings.TrimSuffix(config.Class, "Fast"), config.ExtraIDs
	var special []specialJSON
	if err := part("additional_special_tokens", ',', config.Special, maxAdded, &special); err != nil {
		return c, fmt.Errorf("%s: %w", configFile, err)
	}
	for _, s := range special {
		c.special = append(c.special, string(s))
	}
	if c.extraIDs != nil && (*c.extraIDs < 0 || *c.extraIDs > maxSentinels) {
		return c, fmt.Errorf("%s: extra_ids is %d, outside 0 to %d", configFile, *c.extraIDs, maxSentinels)
	}
	var decoder map[string]addedJSON
	if err := part("added_tokens_decoder", '{', config.Added, maxAdded+1, &decoder); err != nil {
		return c, fmt.Errorf("%s: %w", configFile, err)
	}
	for id, a := range decoder {
		n, err := strconv.Atoi(id)
		if err != nil {
			return c, fmt.Errorf("%s: added_tokens_decoder has %q where an id should be", configFile, id)
		}
		c.added = append(c.added, addedToken{text: a.Content, id: n, special: a.Special, lstrip: a.LStrip, rstrip: a.RStrip})
	}
	if data, ok := files[addedFile]; ok && len(c.added) == 0 {
		var ids map[string]int
		if err := part("the file", ':', data, maxAdded, &ids); err != nil {
			return c, fmt.Errorf("%s: %w", addedFile, err)
		}
		for text, id := range ids {
			c.added = append(c.added, addedToken{text: text, id: id, special: true})
		}
	}
	slices.SortFunc(c.added, func(a, b addedToken) int { return cmp.Compare(a.id, b.id) })
	return c, nil
}

// specialJSON is a special token, as its text or as an added token.
type specialJSON string

func (s *specialJSON) UnmarshalJSON(data []byte) error {
	if data[0] == '{' {
		var a addedJSON
		err := json.Unmarshal(data, &a)
		*s = specialJSON(a.Content)
		return err
	}
	return json.Unmarshal(data, (*string)(s))
}

// modelsTokenizer is the class of tokenizer that a checkpoint's config.json names, if it does.
func modelsTokenizer(dir fs.FS) string {
	var config struct {
		Class string `json:"tokenizer_class"`
	}
	data, err := fs.ReadFile(dir, "config.json")
	if err != nil || jsontext.Unmarshal(data, &config) != nil {
		return "" // who reads the checkpoint says what is wrong with it
	}
	return config.Class
}

// genericConfig names in a tokenizer_config.json, nil where there is none, the class of transformers that takes a
// tokenizer.json as it is. Its T5Tokenizer makes one of its own, which has no byte fallback.
func genericConfig(data []byte) ([]byte, error) {
	config := map[string]any{}
	if data != nil {
		if err := jsontext.Unmarshal(data, &config); err != nil {
			return nil, fmt.Errorf("%s: %w", configFile, err)
		}
	}
	config["tokenizer_class"] = "PreTrainedTokenizerFast"
	for key, text := range map[string]string{"eos_token": eosPiece, "pad_token": padPiece, "unk_token": unkPiece} {
		if config[key] == nil {
			config[key] = text
		}
	}
	return json.MarshalIndent(config, "", "  ")
}
