"""The vocabulary of the simulated shops: what things, colours and patterns are called in eight languages."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    "t-shirt", "hoodie", "trousers", "shorts", "dress", "skirt", "jacket",
    "sneaker", "boot", "sandal", "tote", "backpack", "handbag",
)  # fmt: skip
COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (38, 38, 42), "white": (240, 240, 236), "grey": (142, 145, 150), "navy": (34, 48, 92),
    "blue": (52, 112, 196), "red": (196, 40, 46), "green": (44, 134, 78), "olive": (106, 110, 62),
    "yellow": (236, 198, 60), "orange": (232, 122, 42), "pink": (232, 146, 178), "purple": (112, 70, 150),
    "brown": (112, 74, 48), "beige": (214, 192, 158), "teal": (30, 132, 138), "burgundy": (112, 28, 52),
}  # fmt: skip
PATTERNS = (
    "plain",
    "striped",
    "pinstriped",
    "diagonal",
    "dotted",
    "checked",
    "floral",
    "camouflage",
    "block",
)
MATERIALS = ("cotton", "polyester", "wool", "linen", "leather", "canvas")


@dataclass(frozen=True, slots=True)
class Language:
    """Words in the order of `KINDS`, `COLOURS`, `PATTERNS` and `MATERIALS`; templates with named fields."""

    code: str
    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    patterns: tuple[str, ...]
    materials: tuple[str, ...]
    titles: tuple[str, ...]
    sentences: tuple[str, ...]
    one_size: str
    flourishes: tuple[str, ...]

    def kind(self, name: str) -> str:
        """The word for a kind."""
        return self.kinds[KINDS.index(name)]

    def colour(self, name: str) -> str:
        """The word for a colour."""
        return self.colours[tuple(COLOURS).index(name)]

    def pattern(self, name: str) -> str:
        """The word for a pattern."""
        return self.patterns[PATTERNS.index(name)]

    def material(self, name: str) -> str:
        """The word for a material."""
        return self.materials[MATERIALS.index(name)]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split("|"))


LANGUAGES = {
    language.code: language
    for language in (
        Language(
            "en",
            _words("t-shirt|hoodie|trousers|shorts|dress|skirt|jacket|sneakers|boots|sandals|tote bag|backpack"
                   "|handbag"),
            _words("black|white|grey|navy|blue|red|green|olive|yellow|orange|pink|purple|brown|beige|teal|burgundy"),
            _words("plain|striped|pinstriped|diagonal striped|polka dot|checked|floral|camouflage|colour block"),
            _words("cotton|polyester|wool|linen|leather|canvas"),
            _words("{brand} {model} {kind} {colour}|{brand} {model} {kind}|{model} {pattern} {kind}, {colour}"
                   "|{kind} {brand} {model} - {colour}|{brand} {kind} {model} ({code})|{colour} {kind} {model}"),
            _words("The {model} {kind} by {brand}.|Made of {material}.|{pattern} design in {colour}."
                   "|Free returns within 30 days.|A favourite for every day.|Easy to combine and made to last."),
            "one size", _words("NEW|SALE|Free shipping|Bestseller"),
        ),
        Language(
            "de",
            _words("T-Shirt|Kapuzenpullover|Hose|Shorts|Kleid|Rock|Jacke|Sneaker|Stiefel|Sandalen|Shopper|Rucksack"
                   "|Handtasche"),
            _words("schwarz|weiß|grau|dunkelblau|blau|rot|grün|oliv|gelb|orange|rosa|lila|braun|beige|petrol|bordeaux"),
            _words("uni|gestreift|Nadelstreifen|diagonal gestreift|gepunktet|kariert|geblümt|Camouflage|Colour-Block"),
            _words("Baumwolle|Polyester|Wolle|Leinen|Leder|Canvas"),
            _words("{brand} {kind} {model} {colour}|{kind} „{model}“ von {brand}|{brand} {model} {kind} in {colour}"
                   "|{kind} {model}, {pattern}, {colour}|{brand} {kind} {model} {code}"),
            _words("{kind} {model} von {brand}.|Material: {material}.|Muster: {pattern}, Farbe: {colour}."
                   "|Kostenloser Rückversand innerhalb von 30 Tagen.|Ein Lieblingsstück für jeden Tag."),
            "Einheitsgröße", _words("NEU|Angebot|Versandkostenfrei|%SALE%"),
        ),
        Language(
            "fr",
            _words("t-shirt|sweat à capuche|pantalon|short|robe|jupe|veste|baskets|bottes|sandales|sac cabas"
                   "|sac à dos|sac à main"),
            _words("noir|blanc|gris|bleu marine|bleu|rouge|vert|kaki|jaune|orange|rose|violet|marron|beige|canard"
                   "|bordeaux"),
            _words("uni|rayé|à fines rayures|à rayures diagonales|à pois|à carreaux|à fleurs|camouflage|bicolore"),
            _words("coton|polyester|laine|lin|cuir|toile"),
            _words("{kind} {model} {colour} {brand}|{brand} - {kind} {model}|{kind} {pattern} {model} {brand}"
                   "|{brand} {model} {kind} {colour}"),
            _words("{kind} {model} de la marque {brand}.|Matière : {material}.|Motif {pattern}, couleur {colour}."
                   "|Retour gratuit sous 30 jours.|Un essentiel de la garde-robe, facile à porter."),
            "taille unique", _words("Nouveau|SOLDES|Livraison offerte"),
        ),
        Language(
            "es",
            _words("camiseta|sudadera con capucha|pantalón|pantalón corto|vestido|falda|chaqueta|zapatillas|botas"
                   "|sandalias|bolso shopper|mochila|bolso de mano"),
            _words("negro|blanco|gris|azul marino|azul|rojo|verde|oliva|amarillo|naranja|rosa|morado|marrón|beige"
                   "|verde azulado|burdeos"),
            _words("liso|a rayas|de raya fina|a rayas diagonales|de lunares|a cuadros|de flores|camuflaje|bicolor"),
            _words("algodón|poliéster|lana|lino|piel|lona"),
            _words("{kind} {brand} {model} {colour}|{brand} {model} {kind}|{kind} {model} {pattern} {colour}"
                   "|{kind} {model} de {brand}"),
            _words("{kind} {model} de {brand}.|Composición: {material}.|Estampado {pattern} en color {colour}."
                   "|Devolución gratuita en 30 días.|Una prenda cómoda para cada día."),
            "talla única", _words("Nuevo|REBAJAS|Envío gratis"),
        ),
        Language(
            "it",
            _words("t-shirt|felpa con cappuccio|pantaloni|pantaloncini|vestito|gonna|giacca|scarpe da ginnastica"
                   "|stivali|sandali|borsa shopper|zaino|borsa a mano"),
            _words("nero|bianco|grigio|blu navy|blu|rosso|verde|oliva|giallo|arancione|rosa|viola|marrone|beige"
                   "|ottanio|bordeaux"),
            _words("tinta unita|a righe|gessato|a righe diagonali|a pois|a quadri|a fiori|mimetico|bicolore"),
            _words("cotone|poliestere|lana|lino|pelle|tela"),
            _words("{brand} {kind} {model} {colour}|{kind} {model} {brand}|{kind} {pattern} {model}, {colour}"
                   "|{brand} {model} – {kind}"),
            _words("{kind} {model} di {brand}.|Materiale: {material}.|Fantasia {pattern}, colore {colour}."
                   "|Reso gratuito entro 30 giorni.|Un capo versatile per tutti i giorni."),
            "taglia unica", _words("Novità|SALDI|Spedizione gratuita"),
        ),
        Language(
            "nl",
            _words("T-shirt|hoodie|broek|korte broek|jurk|rok|jas|sneakers|laarzen|sandalen|shopper|rugzak|handtas"),
            _words("zwart|wit|grijs|donkerblauw|blauw|rood|groen|olijfgroen|geel|oranje|roze|paars|bruin|beige"
                   "|petrol|bordeauxrood"),
            _words("effen|gestreept|met krijtstreep|schuin gestreept|gestippeld|geruit|gebloemd|camouflage"
                   "|colourblock"),
            _words("katoen|polyester|wol|linnen|leer|canvas"),
            _words("{brand} {model} {kind} {colour}|{brand} {kind} {model}|{kind} {model} van {brand}, {colour}"
                   "|{kind} {model} {pattern}"),
            _words("{kind} {model} van {brand}.|Materiaal: {material}.|Dessin: {pattern}, kleur: {colour}."
                   "|Gratis retourneren binnen 30 dagen.|Een fijn item voor elke dag."),
            "one size", _words("Nieuw|UITVERKOOP|Gratis verzending"),
        ),
        Language(
            "pl",
            _words("koszulka|bluza z kapturem|spodnie|szorty|sukienka|spódnica|kurtka|buty sportowe|botki|sandały"
                   "|torba shopper|plecak|torebka"),
            _words("czarny|biały|szary|granatowy|niebieski|czerwony|zielony|oliwkowy|żółty|pomarańczowy|różowy"
                   "|fioletowy|brązowy|beżowy|morski|bordowy"),
            _words("gładki|w paski|w prążki|w ukośne paski|w kropki|w kratę|w kwiaty|moro|dwukolorowy"),
            _words("bawełna|poliester|wełna|len|skóra|płótno"),
            _words("{kind} {brand} {model} {colour}|{brand} {model} {kind}|{kind} {model} {pattern} {colour}"
                   "|{kind} {brand} {model} {code}"),
            _words("{kind} {model} marki {brand}.|Materiał: {material}.|Wzór: {pattern}, kolor: {colour}."
                   "|Darmowy zwrot w ciągu 30 dni.|Wygodny model na co dzień."),
            "rozmiar uniwersalny", _words("Nowość|WYPRZEDAŻ|Darmowa dostawa"),
        ),
        Language(
            "sv",
            _words("t-shirt|huvtröja|byxor|shorts|klänning|kjol|jacka|sneakers|stövlar|sandaler|tygkasse|ryggsäck"
                   "|handväska"),
            _words("svart|vit|grå|marinblå|blå|röd|grön|olivgrön|gul|orange|rosa|lila|brun|beige|petrol|vinröd"),
            _words("enfärgad|randig|kritstrecksrandig|diagonalrandig|prickig|rutig|blommig|kamouflage|tvåfärgad"),
            _words("bomull|polyester|ull|linne|läder|canvas"),
            _words("{brand} {model} {kind} {colour}|{kind} {model} från {brand}|{brand} {kind} {model}"
                   "|{kind} {model}, {pattern} {colour}"),
            _words("{kind} {model} från {brand}.|Material: {material}.|Mönster: {pattern}, färg: {colour}."
                   "|Fri retur inom 30 dagar.|En favorit till vardags."),
            "en storlek", _words("Nyhet|REA|Fri frakt"),
        ),
    )
}  # fmt: skip
