"""``physiogen web``: one page to work on, with the commands behind it.

command     options, and what a user is told in one line
server      the page's addresses: papers, downloads, static files; what may be asked from where
page        the six rooms side by side
rooms       what each asks for, the command line that this makes, and how its files are shown
workshop    runs command lines, some at a time, each in a process of its own that can be ended
forge       the process that has everything loaded and starts them
visitors    who is there, and their files, which go when they leave

The page knows no model: a room makes a command line, and shows what the command wrote. So what is downloaded is what
the command line gives, byte for byte, and what is wrong with a file is said in the command's own line.
"""
