"""What two texts have in common at their ends. Knows characters only."""


def common_start(one: str, other: str) -> str:
    """What both texts begin with."""
    equal, unequal = 0, min(len(one), len(other)) + 1  # so many are, so many are not
    while unequal - equal > 1:
        middle = (equal + unequal) // 2
        if one[equal:middle] == other[equal:middle]:
            equal = middle
        else:
            unequal = middle
    return one[:equal]


def common_end(one: str, other: str) -> str:
    """What both texts end with."""
    return common_start(one[::-1], other[::-1])[::-1]
