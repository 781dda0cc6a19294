"""What :func:`idverify.verify` is made of: the rooms of one transaction.

::

    transaction    one deadline, one cancel token, one stream of events, shared by all the others
    visit          the card's side: opening, reading, the chip's proof
    live           the camera's side: pictures, and asking for better ones
    gathering      puts the evidence together while files come in
    matching       compares pictures; the one place that calls the biometrics
    document       what the files say of document and holder
    asynchronous   the same for asyncio
    fair           the queue that counters share

Applications use the names of :mod:`idverify`; nothing here is needed beside them.
"""
