package pretrain

import (
	"slices"
	"strings"

	"github.com/go-dept/dept/internal/draw"
)

// opinion is words of praise or blame, written for this project. A class of each is
// told apart as those of tones are: 0 blames, 1 praises.
type opinion [2][]string

func opinionOf(bad, good string) opinion { return opinion{strings.Fields(bad), strings.Fields(good)} }

var (
	// adjectives say it of a thing.
	adjectives = opinionOf(`
		awful dreadful horrible boring disgusting ugly terrible dull miserable pathetic nasty disappointing annoying hopeless
		tedious gloomy ghastly unpleasant poor wretched clumsy dismal hideous grim bad stupid silly foolish absurd ridiculous
		weak worthless lousy cheap tiresome lifeless predictable pointless empty shallow flat lame bland stale messy confusing
		confused dreary depressing mediocre inferior offensive harsh dirty broken unfair fake tragic inept incoherent amateurish
		forgettable uninspired unfunny unoriginal unconvincing unbearable unwatchable unreadable useless sloppy lazy crude
		contrived forced hollow heavy-handed pretentious pompous preachy ponderous plodding sluggish slow overlong repetitive
		routine generic derivative formulaic trite hackneyed banal insipid vapid inane idiotic moronic dumb brainless mindless
		senseless meaningless soulless joyless humorless charmless graceless tasteless witless gutless toothless aimless
		shapeless cold cynical sour bitter shrill loud noisy irritating grating obnoxious repulsive revolting vile vulgar
		tacky cheesy corny sappy syrupy maudlin melodramatic manipulative muddled murky uneven disjointed choppy clunky
		stilted wooden stiff awkward strained laughable embarrassing regrettable shameful dishonest misguided misleading
		half-baked undercooked overwrought overblown overstuffed underwritten thin flimsy feeble limp listless anemic dead
		monotonous numbing exhausting painful agonizing excruciating torturous insulting insufferable intolerable rotten
		rough faulty flawed defective unreliable uncomfortable unhelpful rude careless dishonorable cruel sick nauseating`, `
		lovely splendid delightful superb pleasant charming wonderful excellent brilliant glorious perfect enjoyable admirable
		magnificent graceful fantastic impressive great fine gorgeous beautiful heavenly stunning satisfying outstanding amazing
		good fun funny clever smart sweet warm tender moving touching powerful happy joyful fresh original bright rich strong
		engaging entertaining fascinating interesting remarkable memorable inspired inspiring elegant witty humorous honest
		genuine brave noble kind gentle friendly generous wise comfortable compelling captivating thrilling exciting hilarious
		vivid rewarding solid worthwhile thoughtful intelligent imaginative appealing heartwarming absorbing gripping riveting
		enthralling enchanting bewitching hypnotic mesmerizing spellbinding dazzling breathtaking spectacular sumptuous lush
		exquisite luminous radiant lyrical poetic sensitive subtle nuanced delicate affecting poignant heartfelt sincere
		truthful authentic believable convincing credible perceptive insightful incisive sharp crisp lively spirited energetic
		exuberant playful whimsical quirky offbeat inventive creative innovative daring bold ambitious accomplished assured
		confident masterful skillful polished refined stylish sleek slick handsome tasty delicious sophisticated literate
		thought-provoking eye-opening uplifting life-affirming optimistic hopeful humane compassionate wholesome timeless
		classic definitive essential indispensable unforgettable extraordinary exceptional exemplary flawless impeccable
		first-rate top-notch terrific marvelous fabulous phenomenal sublime amusing droll irresistible infectious
		likable lovable endearing winning winsome charismatic magnetic sexy sensual seductive provocative profound deep
		resonant haunting suspenseful tense taut tight brisk fast-paced nimble deft reliable helpful useful sturdy refreshing`)
	// verbs are what it does.
	verbs = [2][]string{{
		"falls flat", "drags", "drags on and on", "wastes our time", "never comes together", "fails to engage", "fails", "fails to convince",
		"fizzles", "stumbles", "disappoints", "bores", "annoys", "insults the audience", "runs out of steam", "goes nowhere", "makes no sense",
		"feels endless", "feels forced", "feels like a chore", "puts us to sleep", "wears thin", "tries too hard", "misses the mark",
		"collapses", "sinks", "suffers", "is a mess", "is a waste of time", "is a disaster", "is a failure", "is a bore", "is a letdown",
		"leaves us cold", "leaves a bad taste", "overstays its welcome", "could have been better", "should have been shorter", "loses its way",
		"is hard to sit through", "is not worth it", "is best forgotten", "is beyond repair", "has nothing to say", "bombs", "irritates", "offends",
	}, {
		"works", "works beautifully", "delivers", "moves us", "holds our attention", "is worth your time", "is worth seeing", "succeeds",
		"shines", "sparkles", "soars", "entertains", "enchants", "delights", "charms", "amuses", "inspires", "touches the heart", "thrills", "excites",
		"makes us laugh", "makes us think", "keeps us guessing", "draws us in", "grips from start to finish", "stays with us", "pays off",
		"hits the mark", "rings true", "feels true", "feels fresh", "is a joy", "is a treat", "is a triumph", "is a delight", "is a winner", "is a gem",
		"is a pleasure", "is a success", "is a masterpiece", "deserves praise", "deserves to be seen", "wins us over", "lifts the spirits",
		"is well done", "is not to be missed", "has a lot to say", "has its heart in the right place", "surprises us", "satisfies", "captivates",
	}}
	// qualities are what it has, and lacks.
	qualities = opinionOf(`
		clichés boredom tedium nonsense stupidity mistakes flaws faults problems confusion sentimentality pretension gloom
		despair misery cruelty ugliness noise mess chaos excess clutter padding stereotypes blunders contrivances violence
		vulgarity laziness carelessness incompetence failure failings weaknesses trash garbage junk drivel rubbish`, `
		charm wit warmth energy heart grace humor intelligence insight imagination originality style beauty passion
		tenderness joy life spirit soul depth feeling sincerity honesty truth courage conviction suspense excitement magic
		laughs thrills surprises delights pleasures wisdom compassion dignity elegance skill talent craft vitality
		brilliance polish flair subtlety sophistication inspiration ideas fun substance power strength`)
	subjects = strings.Fields(`
		film movie story plot acting cast script screenplay dialogue direction director comedy drama thriller documentary romance
		book novel poem play performance music song album concert game picture ending beginning scene character hero villain
		writing humor effort debut sequel remake adaptation tale show series episode meal hotel place service trip day room
		food phone car idea design photography animation soundtrack premise production filmmaker actress actor star ensemble`)
	stresses = strings.Fields(`very truly really so utterly quite rather often deeply thoroughly simply surprisingly consistently always oddly just`)
)

// say is a phrase of a class, in small letters. Some turn words of the other class
// around: "never dull" praises.
func (m *Mixture) say(r draw.Source, class int) []string {
	words := strings.Fields(clause(r, class))
	switch r.Below(6) {
	case 0:
		words = slices.Concat(strings.Fields(clause(r, 1-class)), strings.Fields(draw.Pick(r, []string{", but", "but", ", yet", ", and yet", "; still ,"})), words)
	case 1:
		words = slices.Concat(words, strings.Fields(draw.Pick(r, []string{",", "and", ", and", ";", "--"})), strings.Fields(clause(r, class)))
	case 2:
		against := draw.Pick(r, []string{"despite", "for all", "in spite of"})
		words = slices.Concat([]string{against, "its", draw.Pick(r, qualities[1-class]), ","}, words)
	}
	if r.Below(3) == 0 {
		// A piece of the text, which has nothing to do with it.
		all := m.corpus.Sentences(r.Below(m.corpus.Len()))
		piece := plain(strings.Fields(draw.Pick(r, all)))
		start := r.Below(len(piece))
		piece = piece[start:min(len(piece), start+3+r.Below(8))]
		if r.Below(2) == 0 {
			words = slices.Concat(piece, []string{","}, words)
		} else {
			words = slices.Concat(words, []string{","}, piece)
		}
	}
	if r.Below(2) == 0 {
		words = append(words, ".")
	}
	return words
}

// clause is a short one that is of a class.
func clause(r draw.Source, class int) string {
	adjective := func() string { return draw.Pick(r, adjectives[class]) }
	subject := draw.Pick(r, subjects)
	stress := draw.Pick(r, stresses) + " "
	if r.Below(2) == 0 {
		stress = ""
	}
	switch r.Below(12) {
	case 0:
		return "the " + subject + " is " + stress + adjective()
	case 1:
		return "a " + adjective() + " , " + adjective() + " " + subject
	case 2:
		return "a " + stress + adjective() + " " + subject
	case 3:
		return "the " + subject + " " + draw.Pick(r, verbs[class])
	case 4:
		return "a " + subject + " that " + draw.Pick(r, verbs[class])
	case 5:
		return stress + adjective() + " and " + adjective()
	case 6:
		return "full of " + draw.Pick(r, qualities[class])
	case 7:
		return "a " + adjective() + " " + subject + " with " + draw.Pick(r, qualities[class]) + " and " + draw.Pick(r, qualities[class])
	case 8:
		return draw.Pick(r, []string{"without", "lacks", "has no", "free of", "short on"}) + " " + draw.Pick(r, qualities[1-class])
	case 9:
		return draw.Pick(r, []string{"not", "never", "far from", "anything but", "isn't"}) + " " + draw.Pick(r, adjectives[1-class])
	case 10:
		return "its " + draw.Pick(r, qualities[class])
	}
	return adjective()
}

// toneWords is the tones, and what praises or blames a thing.
func toneWords() map[string]int {
	all := slices.Clone(tones)
	for i := range all {
		all[i].list += " " + strings.Join(adjectives[i], " ")
	}
	return all.classes()
}
