package demo

import (
	"slices"
	"strings"
)

// The words, by what they say about a sentence. Every list is divided between
// the splits by position (see part), so that the dev and test rows of a task are
// made of words that its training rows never use.
var (
	// What people say around a question: says nothing about anything, and is in no
	// sentence.
	fillers = words("please well so hello dear then just maybe kindly quickly honestly sir",
		"listen look say excuse")

	// Somebody, behind "my": says nothing about anything.
	people = words("sister brother mother father uncle aunt cousin neighbour",
		"teacher doctor driver painter friend partner lawyer niece")

	// What somebody does, now and in the past; all of them go with "the soup" and
	// with "that the soup is good".
	verbs = forms("mentions/mentioned remembers/remembered expects/expected recalls/recalled",
		"notices/noticed imagines/imagined reports/reported suggests/suggested",
		"discovers/discovered observes/observed forgets/forgot knows/knew",
		"hears/heard sees/saw predicts/predicted reveals/revealed")

	// What joins a thing to what is said of it, now and in the past.
	copulas = forms("is/was seems/seemed looks/looked appears/appeared",
		"remains/remained stays/stayed sounds/sounded feels/felt")

	// Things, by topic.
	things = map[string][]string{
		"food":    words("soup cake salad pie cheese stew sandwich omelette pudding sausage biscuit pancake"),
		"sport":   words("match race goalkeeper tournament referee stadium sprint penalty coach racket league trophy"),
		"weather": words("storm breeze frost cloud rainbow fog thunder drizzle heatwave blizzard sunrise shower"),
		"music":   words("song melody drummer guitar choir chorus violin concert rhythm ballad pianist trumpet"),
		"travel":  words("train ferry hotel airport suitcase passport voyage tunnel harbour cabin tram luggage"),
	}

	// What is said of a thing, by tone.
	opinions = map[string][]string{
		"good": words("lovely splendid delightful superb pleasant charming wonderful excellent",
			"marvellous brilliant glorious perfect enjoyable admirable magnificent graceful",
			"fantastic refreshing terrific impressive adorable exquisite great fine",
			"gorgeous beautiful heavenly stunning satisfying fabulous outstanding amazing"),
		"bad": words("awful dreadful horrible boring disgusting ugly terrible dull",
			"miserable pathetic nasty disappointing annoying hopeless lousy tedious",
			"shabby gloomy ghastly unpleasant atrocious vile poor wretched",
			"clumsy dismal repulsive irritating feeble appalling hideous grim"),
	}

	// How things turned out, by luck, which has nothing to do with the tone.
	fortunes = map[string][]string{
		"good": words("luckily happily thankfully fortunately gladly mercifully joyfully blissfully"),
		"bad":  words("sadly unluckily regrettably unhappily alas woefully grievously tragically"),
	}
)

// Topic is the topic of a thing, or empty where it is none.
func Topic(thing string) string {
	for topic, list := range things {
		if slices.Contains(list, thing) {
			return topic
		}
	}
	return ""
}

func words(lines ...string) []string { return strings.Fields(strings.Join(lines, " ")) }

// form is a verb now and in the past.
type form [2]string

func forms(lines ...string) []form {
	var list []form
	for _, w := range words(lines...) {
		now, past, _ := strings.Cut(w, "/")
		list = append(list, form{now, past})
	}
	return list
}
