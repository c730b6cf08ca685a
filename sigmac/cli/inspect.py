EXAMPLE = ""


def inspect(pack: str) -> None:
    """x"""
