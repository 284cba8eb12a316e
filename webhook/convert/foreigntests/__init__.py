"""The tests of foreign policies -> cases of PolicyTests, run on what the policies became."""
