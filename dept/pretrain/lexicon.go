package pretrain

import "strings"

// The words by which a sentence of the text is said to have a tone or a topic. They
// say so only as often as such words do; a small model learns from them which words
// go together.
var (
	tones = lexicon{
		{"bad", "negative", "0", `
			awful dreadful horrible boring disgusting ugly terrible dull miserable pathetic nasty disappointing annoying
			hopeless tedious gloomy ghastly unpleasant poor wretched clumsy dismal hideous grim bad worse worst stupid
			silly foolish absurd cruel bitter painful ridiculous weak wrong sad sadly angry hate hated hates hatred fear
			feared fails failed failure fail mess waste wasted useless worthless lousy cheap tired tiresome lifeless
			predictable pointless empty shallow flat lame bland stale messy confusing confused clumsy unfortunately
			lacks lacking lack problem problems trouble dreary depressing mediocre inferior offensive ill unhappy
			disaster misery despair wicked evil vile harsh shame shameful guilty dirty filthy sick broken ruined
			dead dying death mean rude unfair false fake lost loser annoyed disgust disgusted unfunny trite tragic
			damned doubtful dark scared unable poorly badly regret suffered suffering sorrow grief angrily hopelessly`},
		{"good", "positive", "1", `
			lovely splendid delightful superb pleasant charming wonderful excellent brilliant glorious perfect enjoyable
			admirable magnificent graceful fantastic impressive great fine gorgeous beautiful heavenly stunning satisfying
			outstanding amazing good better best fun funny clever smart sweet warm tender moving touching powerful
			beautifully perfectly love loved loves loving enjoy enjoyed enjoys happy happily joy joyful delight delighted
			pleased pleasure glad win wins won success successful succeeds fresh original bright rich strong engaging
			entertaining fascinating interesting remarkable memorable inspired inspiring elegant witty humor humorous
			honest genuine brave noble kind gentle friendly generous wise healthy comfortable favorite popular praised
			acclaimed celebrated award finest masterpiece compelling captivating thrilling exciting hilarious vivid
			charm beauty hope hopeful smile smiled laughed laughing welcome proud lucky rewarding solid worth thoughtful
			intelligent thoroughly wonderfully creative imaginative appealing heartwarming`},
	}
	topics = lexicon{
		{"world", "politics", "0", `
			president minister government election elections parliament war army military troops soldiers peace treaty
			police killed bomb attack attacks rebels iraq iran israel palestinian nuclear united nations embassy
			refugees leader leaders prime party vote votes voters senator democratic republican political politics
			foreign prison court protest militants hostage hostages capital border province`},
		{"sport", "sports", "1", `
			team teams game games season player players coach league championship cup match matches football baseball
			basketball hockey tennis golf soccer olympic olympics medal race racing champion champions tournament
			goal goals scored score victory defeat stadium club rugby cricket inning innings quarterback pitcher
			touchdown playoff playoffs yankees sox win wins won`},
		{"business", "money", "2", `
			company companies market markets stock stocks shares price prices profit profits sales bank banks oil
			economy economic business billion million dollar investors trade trading earnings quarter inflation
			insurance airline corporation industry financial fund deal merger customers costs rates dollars
			consumer retail chief executive`},
		{"science", "technology", "3", `
			software computer computers internet microsoft google apple ibm web online data technology scientists
			researchers research space nasa satellite mobile phone phones wireless network security virus users
			server servers linux windows science scientific physics chemistry biology species cells gene energy
			digital video electronic chip chips engine browser spam device devices`},
	}
)

// lexicon is classes of words.
type lexicon []class

// class is a label, another word for it, its number, and the words that are of it.
type class struct{ name, other, number, list string }

// classes is the class of every word of the lexicon that is in one class only.
func (l lexicon) classes() map[string]int {
	of := map[string]int{}
	for i, c := range l {
		for _, w := range strings.Fields(c.list) {
			if j, ok := of[w]; ok && j != i {
				i := -1
				of[w] = i
				continue
			}
			of[w] = i
		}
	}
	return of
}

// labels are the answers of one kind, in the order of the classes.
func (l lexicon) labels(kind func(class) string) []string {
	labels := make([]string, len(l))
	for i, c := range l {
		labels[i] = kind(c)
	}
	return labels
}

func name(c class) string   { return c.name }
func other(c class) string  { return c.other }
func number(c class) string { return c.number }

// bare is a word as the lexicon has it.
func bare(word string) string {
	return strings.ToLower(strings.Trim(word, `.,;:!?"'“”‘’()[]-`))
}
