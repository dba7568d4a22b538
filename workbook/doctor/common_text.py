"""What two texts have in common at their ends. Knows characters only."""


def common_start(one: str, other: str) -> str:
    """What both texts begin with."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return one[:place]
    return min(one, other, key=len)


def common_end(one: str, other: str) -> str:
    """What both texts end with."""
    return common_start(one[::-1], other[::-1])[::-1]
