"""What the synthetic marketplace trades in: eight communities of four niches each."""

from __future__ import annotations

COMMUNITIES: dict[str, tuple[tuple[str, str], ...]] = {
    "Outdoor": (
        ("Tent", "Tour guide"),
        ("Hiking boot", "Boot maker"),
        ("Climbing rope", "Climbing coach"),
        ("Bicycle", "Bicycle mechanic"),
    ),
    "Home": (
        ("Sofa", "Upholsterer"),
        ("Lamp", "Lighting designer"),
        ("Rug", "Weaver"),
        ("Desk", "Joiner"),
    ),
    "Music": (
        ("Guitar", "Luthier"),
        ("Keyboard", "Piano teacher"),
        ("Drum", "Session drummer"),
        ("Microphone", "Sound engineer"),
    ),
    "Games": (
        ("Board game", "Game designer"),
        ("Console", "Game developer"),
        ("Puzzle", "Illustrator"),
        ("Chess set", "Chess trainer"),
    ),
    "Garden": (
        ("Rose", "Gardener"),
        ("Lawn mower", "Groundskeeper"),
        ("Herb seed", "Botanist"),
        ("Greenhouse", "Landscaper"),
    ),
    "Health": (
        ("Yoga mat", "Yoga teacher"),
        ("Vitamin", "Pharmacist"),
        ("Massager", "Physiotherapist"),
        ("Running shoe", "Sports coach"),
    ),
    "Kitchen": (
        ("Espresso machine", "Barista"),
        ("Chef knife", "Chef"),
        ("Cake tin", "Pastry cook"),
        ("Wine glass", "Sommelier"),
    ),
    "Fashion": (
        ("Linen shirt", "Tailor"),
        ("Handbag", "Leather worker"),
        ("Watch", "Watchmaker"),
        ("Silk scarf", "Textile designer"),
    ),
}
"""Community -> its niches, each a product and a profession."""

NAMES = tuple(COMMUNITIES)
NICHES = tuple(pair for pairs in COMMUNITIES.values() for pair in pairs)
PER_COMMUNITY = 4
