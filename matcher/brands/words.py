"""Words about brands that are no brand: what feeds write for "none", legal forms, words that many brands share."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: What is written where there is no brand, letters and digits alone.
NO_BRAND = _words(
    """
    na none null nil no not nobrand nobrandname noname nonbranded nonbrand unbranded unbrand generic genericbrand
    unknown unknownbrand undefined notspecified notavailable notapplicable doesnotapply oem other others various
    assorted misc miscellaneous brand mybrand brandname manufacturer defaultmanufacturer defaultbrand default test
    tbd tba unbekannt ohnemarke markenlos nichtangegeben keineangabe sonstige diverse hersteller sansmarque inconnu
    aucune autre autres nonrenseigne divers sinmarca desconocido otros generico varios ninguna senzamarca
    sconosciuto altro generica nessuna semmarca outros onbekend geenmerk overige merkloos ukendt okand tuntematon
    brakmarki nieznany inny bezmarki neznamy bezznacky
    """
)

#: Legal forms and the like: dropped wherever they end a name.
LEGAL = _words(
    """
    inc incorporated corp corporation co company companies ltd limited llc lp llp plc pty pte gmbh mbh ag kg kgaa
    ohg ug ev se sa sas sarl sasu srl spa snc bv nv vof cv ab as asa aps oy oyj sl slu sro doo dd zrt kft sp zoo ooo
    oao zao kk kabushiki kaisha bhd sdn pt tbk holding holdings group gruppe groupe international intl tm brand
    brands
    """
)

#: Dropped wherever a name begins with them.
ARTICLES = _words("the by from")

#: Between two words they say no more than `&` does: `H and M` is `H & M`.
JOINING = _words("and und et")

#: Words that many brands share: alone they name none, so `X Jeans` and `Jeans` are not compatible by them.
SHARED = _words(
    """
    jeans sport sports sportswear design designs designer fashion style styles home house living kids baby men mens
    women womens lady ladies shoes shoe footwear watch watches jewelry jewellery bags bag clothing apparel wear
    accessories beauty cosmetics store shop shopping online outlet official original originals collection classic
    classics new old black white red blue green gold silver pro plus max mini usa us uk eu america american europe
    european italy italia france paris london berlin milano tokyo china germany york studio studios lab labs works
    factory products product parts technology technologies tech electronics digital systems system solutions network
    networks tools tool outdoor outdoors global world best super one first trading trade industries industry
    enterprises my life love nature natural of for with de la le les el los das der die di del il no and the by co
    """
)

#: Names of one brand that no rule of letters finds, the first stands for all; letters and digits alone.
ALIASES = (
    ("h m", "hennes mauritz", "hm hennes mauritz"),
    ("hp", "hewlett packard", "hewlett packard hp"),
    ("wd", "western digital"),
    ("calvin klein", "ck"),
    ("dolce gabbana", "d g"),
    ("yves saint laurent", "ysl", "saint laurent", "saint laurent paris"),
    ("dr martens", "doc martens", "doctor martens", "airwair"),
    ("levis", "levi", "levi strauss", "levi s"),
    ("marks spencer", "m s", "marks and spencers"),
    ("procter gamble", "p g"),
    ("johnson johnson", "j j"),
    ("louis vuitton", "lv"),
    ("new balance", "nb"),
    ("under armour", "ua", "under armor"),
    ("the north face", "north face", "tnf"),
    ("united colors of benetton", "benetton"),
    ("victorias secret", "victoria s secret", "vs victorias secret"),
    ("bang olufsen", "b o"),
    ("general electric", "ge"),
)
