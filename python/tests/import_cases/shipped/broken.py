"""Cannot be imported."""

import absent_from_everywhere  # noqa: F401
