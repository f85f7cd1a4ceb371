"""A package whose imports are looked at on a worker, and in the test itself."""

VERSION = "1.0"


def __getattr__(name):
    if name == "computed":
        return f"computed by {__name__}"
    raise AttributeError(name)


def __dir__():
    return [*globals(), "computed"]
