"""Closed lists of words that tell variants of a product apart in every shop: alternatives of which only one is true.

Accents are taken out, as `matcher.verifier.words.plain_text` does. Words that mean too much in some language stay out.
"""

_COLOURS = """
black noir noire schwarz nero nera negro negra zwart svart sort preto preta czarny czarna cerna cerny fekete siyah crna
white blanc blanche weiss bianco bianca blanco blanca wit vit hvid hvit branco branca bialy biala bila feher beyaz
grey gray gris grau grigio grigia grijs gra cinza szary sivy seda szurke graphite anthracite anthrazit antracit
silver silber argent argento plata plateado zilver prata prateado srebrny stribrna stribrny ezust gumus argintiu srebrna
gold golden dore doree dorado goud guld gull dourado zloty zlota zlata arany altin gouden auriu
red rouge rot rosso rossa rojo roja rood rod vermelho czerwony czerwona cervena cerveny piros kirmizi rosu crvena
blue bleu bleue blau blu azul blauw blauwe bla niebieski niebieska modra modry kek mavi albastru plava navy
green vert verte grun verde groen groene gron gronn zielony zielona zelena zeleny zold yesil
yellow jaune gelb giallo gialla amarillo amarilla geel gul amarelo zolty zolta zluta zluty sarga sari galben
pink rose rosa roze rozowy rozowa ruzova ruzovy pembe roz
purple violet violett viola violeta morado lila paars lilla roxo fioletowy fialova mor mov lavender
orange naranja arancione oranje laranja pomaranczowy oranzova narancs turuncu portocaliu
brown brun brune braun marrone marron bruin brazowy hneda barna kahverengi maro
cyan azurova
magenta purpurova
turquoise turkis teal turkos
beige cream ivory
copper bronze cuivre kupfer
"""

#: family → lines of words that mean the same; two words of different lines are two different things.
_FAMILIES = {
    "colour": _COLOURS,
    "audience": """
men mens man herren homme uomo hombre heren
women womens woman ladies lady damen femme donna mujer dames
kids kid children kinder enfant junior youth boys girls
unisex
baby toddler infant""",
    "bed": "single twin\ndouble full\nqueen\nking",
    "size": "xs\ns small\nm medium\nl large\nxl\nxxl\nxxxl",
    "length": "short court kurz corto kort\nlong lang largo lungo",
    "sound": "mono monaural\nstereo duo binaural",
    "side": "left links gauche izquierda sinistra\nright rechts droite derecha destra",
    "end": "front vorne avant delantero anteriore\nrear back hinten arriere trasero posteriore",
    "cable": "wired kabelgebunden filaire cablato\nwireless cordless bluetooth kabellos wifi inalambrico inalambrica",
    "surface": "matte matt mat mate opaca\nglossy gloss glanzend brillant lucida semigloss satin luster lustre",
    "ruling": "lined ruled\ngrid squared\nblank plain\ndotted",
    "module": "dimm udimm\nsodimm\nrdimm",
    "card": "micro microsd microsdhc microsdxc\nsd sdhc sdxc\ncf compactflash\nxqd",
    "place": "internal interne intern\nexternal externe extern portable",
    "gas": "propane lp\nnatural ng",
    "movement": "automatic automatik automatique\nquartz quarz",
    "strength": "soft\nmedium\nhard\nlight\nheavy",
    "capacity": "standard\nhigh haute hoch alta\nextra",
    "material": """
leather leder cuir pelle piel
steel stainless edelstahl acier acciaio acero
rubber silicone
plastic
wood wooden
aluminium aluminum alu
carbon
ceramic
cotton
foam
glass""",
    "layout": "qwerty\nqwertz\nazerty",
    "bundle": "kit bundle combo set\nbody\nrefill replacement\nsample tester",
    "condition": "refurbished renewed refurb reconditioned\nused\nnew neu neuf nuevo nuovo",
    "origin": "genuine original originale oem\ncompatible generic",
    "system": "microsoft ms\nuc",
    "mount": "nikon\ncanon\nsony\npentax\nfuji fujifilm\nolympus",
    "form": "tower midi mid\nmini\nrack",
    "book": "hardcover hardback\npaperback softcover\naudiobook\nebook kindle",
    "phase": "day\nnight",
    "platform": "ps4\nps5\nxbox\nswitch nintendo\npc",
    "generation mark": "pro\nplus\nmax\nlite\nultra\nse\nair\nmini\nprime\nneo",
    "grade": "basic\npremium\ndeluxe\nelite\nprofessional",
}
FAMILIES = tuple(_FAMILIES)
#: Word → (place of its family in `FAMILIES`, the first word of its line). A word may stand in several families.
ALTERNATIVES: dict[str, tuple[tuple[int, str], ...]] = {}
for _place, _lines in enumerate(_FAMILIES.values()):
    for _line in _lines.strip().splitlines():
        for _word in _line.split():
            ALTERNATIVES[_word] = (*ALTERNATIVES.get(_word, ()), (_place, _line.split()[0]))

_MARKS = """
pro plus max mini lite ultra air se xt ti super evo oc gt dx sx ex fe neo prime premium deluxe elite special limited
edition anniversary x s t r c e i a b k z xs m l xl xxl small medium large single double kit bundle combo body only
case cover bag charger strap refill replacement spare for fur pour per para with without stand set men women kids
junior wireless micro refurbished compatible generic original genuine
"""
#: Words that change what is sold when one title has them and the other does not.
MARKS = frozenset(_MARKS.split())
#: Model generations are written either way: mark II, mark 2.
ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8"}
