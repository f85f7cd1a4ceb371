"""Can be run as a program."""

RESULT = __name__
if __name__ == "__main__":
    print("ran as", __name__)
