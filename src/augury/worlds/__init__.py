"""The worlds that come with Augury, as data: ``augury serve --world demo``."""
