"""The studio: a page on this machine that shows what each level of a trained model does, while you move it.

Stateless: a request carries all that its answer depends on, so that an address is a state, and a page that is loaded
again, or a second one beside it, needs nothing from before.

    serve       the port, the browser, the server
    app         which address asks for what
    guard       who may ask: this machine, its own page, whoever holds the token; and how much at once
    desk        one thread that walks models, in the order of the questions
    opened      a run with what is looked up once
    asked       the questions, each value by its type and bounds
    answer      pictures as bytes, numbers and lines as JSON
    views/      one question a file
    page/       the page: HTML, CSS and JavaScript as the browser gets them
"""
