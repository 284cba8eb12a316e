"""The tests of foreign policies -> cases of PolicyTests, which are run on the converted policies."""
