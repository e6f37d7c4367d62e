package nn

import "github.com/go-dept/dept/tensor"

// Hooks are the places where a method of fine-tuning reaches into a model. A
// method sets those that it needs; nil leaves the model as it is.
type Hooks struct {
	// Input records the encoder's input for text [batch, length]: [batch·(m +
	// length), d], with m positions of the method's own in front. See Pass.Embed.
	Input func(p *Pass, text Tokens) *tensor.Value
	// Plus is added to the product of a site's weight with its input x [..., in]
	// before anything else is done with it: [rows, out], or nil.
	Plus func(p *Pass, s Site, x *tensor.Value) *tensor.Value
	// Scale multiplies the columns of a site's product, Plus included: [out], or
	// nil.
	Scale func(p *Pass, s Site) *tensor.Value
	// Bias is added to the columns of a site's product, after Scale: [out], or nil.
	Bias func(p *Pass, s Site) *tensor.Value
	// ScaleInput multiplies the columns of a site's input: [in], or nil. The site
	// must not share its input with others.
	ScaleInput func(p *Pass, s Site) *tensor.Value
	// Norm is the weight [d] of a norm in place of the model's own, or nil.
	Norm func(p *Pass, s Site) *tensor.Value
	// Keys are keys and values of the method's own, [n, inner] each, in front of those
	// that an attention reads, for every row alike; n is what Ahead says for its kind.
	// As far as distances count they have the first positions and push the other keys
	// back, but not the queries, as in the adapters library.
	Keys  func(p *Pass, at Place) (k, v *tensor.Value)
	Ahead Ahead
	// Attending sees what an attention reads, before it does: the rows of its queries, those of
	// its keys and values, and where in them these are.
	Attending func(at Place, q, kv *tensor.Value, o tensor.AttentionOptions)
	// Sublayer follows a sublayer, which has taken the stream from before to
	// after, both [rows, d]. It returns what the stream goes on as.
	Sublayer func(p *Pass, at Place, before, after *tensor.Value) *tensor.Value
}

// Ahead is how many keys a method puts in front of those of each kind of attention.
type Ahead struct{ Encoder, Decoder, Cross int }
