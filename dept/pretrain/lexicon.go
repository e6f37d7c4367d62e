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
			foreign prison court protest militants hostage hostages capital border province
			palestinians israeli iraqi iranian russian chinese russia china korea afghanistan baghdad gaza jerusalem
			moscow terrorism terrorist terrorists bombing explosion ceasefire rebel insurgents guerrillas invasion
			occupation regime dictator monarchy republic king queen governor mayor campaign candidate candidates
			ballot coalition cabinet assembly congress senate diplomat diplomatic ambassador sanctions treaties
			summit nation earthquake hurricane flood floods victims casualties wounded killing murder trial sentenced
			arrested jailed rally demonstrators uprising revolution independence civil rights human crisis`},
		{"sport", "sports", "1", `
			team teams game games season player players coach league championship cup match matches football baseball
			basketball hockey tennis golf soccer olympic olympics medal race racing champion champions tournament
			goal goals scored score victory defeat stadium club rugby cricket inning innings quarterback pitcher
			touchdown playoff playoffs yankees sox win wins won
			olympics athlete athletes swimmer sprinter boxer wrestling boxing skating skiing cycling rowing marathon
			goalkeeper striker midfielder defender defenders batsman bowler wicket wickets homer homers pitching
			inning shortstop outfielder quarterbacks touchdowns receiver rushing yards kick penalty referee
			semifinal semifinals quarterfinals finals qualifier qualifying ranked seeded relay lap laps grand prix
			nba nfl nhl fifa uefa arsenal chelsea manchester coaching coached roster rookie draft teammate teammates
			wimbledon golfer putt birdie squad squads overtime halftime fans trophy medals title`},
		{"business", "money", "2", `
			company companies market markets stock stocks shares price prices profit profits sales bank banks oil
			economy economic business billion million dollar investors trade trading earnings quarter inflation
			insurance airline corporation industry financial fund deal merger customers costs rates dollars
			consumer retail chief executive
			ceo firm firms bankruptcy bankrupt acquisition acquire takeover shareholders shareholder dividend revenue
			revenues earned loss losses loans loan mortgage debt debts credit currency euro yen treasury tax taxes
			budget deficit exports imports export import supplier suppliers manufacturer manufacturers retailer
			retailers stores store wholesale goods products brand brands demand supply crude barrel barrels gas
			airlines flights labor union wage wages jobs unemployment employees payroll layoffs factory factories
			nasdaq dow index analysts forecast outlook growth rose fell quarterly annual fiscal ipo venture
			bought sold buy sell selling purchase contract contracts pension banking bankers wall street`},
		{"science", "technology", "3", `
			software computer computers internet microsoft google apple ibm web online data technology scientists
			researchers research space nasa satellite mobile phone phones wireless network security virus users
			server servers linux windows science scientific physics chemistry biology species cells gene energy
			digital video electronic chip chips engine browser spam device devices
			programmer programming algorithm algorithms code website websites download downloads desktop laptop
			operating system systems hardware processor processors intel dell sony nokia yahoo ebay amazon
			broadband router telecom cellular camera cameras games console xbox playstation nintendo ipod
			hackers hacker worm worms bug bugs patch encryption firewall messaging email search portal database
			astronomers astronomer planet planets telescope spacecraft shuttle orbit moon mars galaxy comet
			asteroid rocket physicists particle particles laser quantum dna genome genetic protein proteins
			bacteria fossil fossils dinosaur climate researcher laboratory experiment experiments theory`},
	}
	// What an article says that its subject is.
	kinds = lexicon{
		{"place", "town", "0", `village town city river lake mountain island county district municipality suburb neighborhood neighbourhood
			commune settlement region area valley bay peninsula parish locality hamlet township park hill creek`},
		{"sport", "player", "1", `footballer player club season team championship race tournament stadium league cyclist swimmer boxer
			wrestler golfer jockey cricketer sprinter goalkeeper midfielder defender striker pitcher athlete coach match`},
		{"music", "song", "2", `album song band singer single rapper musician composer guitarist pianist drummer ep orchestra opera
			songwriter vocalist concert`},
		{"film", "screen", "3", `film movie actor actress series sitcom episode telenovela director filmmaker comedy drama anime`},
		{"book", "letters", "4", `novel book writer author poet magazine newspaper journalist novelist poem journal manga comic playwright`},
		{"politics", "state", "5", `politician party minister election president law treaty senator governor diplomat constituency mayor
			lawyer judge parliament ministry referendum act court`},
		{"war", "army", "6", `battle war officer general soldier regiment squadron submarine destroyer frigate cruiser commander army
			missile tank fort siege brigade battalion`},
		{"company", "business", "7", `company corporation bank brand airline manufacturer retailer store businessman entrepreneur firm
			label supermarket brewery conglomerate economist`},
		{"science", "research", "8", `software scientist physicist mathematician computer theory disease protein chemist gene compound
			enzyme mineral algorithm device physician engineer astronomer biologist asteroid star galaxy telescope satellite`},
		{"nature", "animal", "9", `species genus plant bird fish beetle moth tree snail shrub orchid frog lizard snake butterfly spider fungus breed`},
		{"school", "learning", "10", `school university college institute professor seminary academy academic historian philosopher`},
		{"travel", "traffic", "11", `station road railway highway bridge airport line route motorway locomotive ship aircraft tram port`},
	}
	// The headings under which articles tell things.
	sections = lexicon{
		{"history", "past", "0", `history background origins`},
		{"career", "work", "1", `career`},
		{"life", "biography", "2", `biography life`},
		{"geography", "land", "3", `geography location climate`},
		{"reception", "response", "4", `reception legacy`},
		{"plot", "story", "5", `plot synopsis summary`},
		{"people", "population", "6", `demographics population`},
		{"awards", "honors", "7", `awards honours honors`},
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
