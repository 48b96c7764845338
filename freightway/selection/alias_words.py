"""The words that aliases are made of: short, easy to say, and about nothing but character, colour and animals."""

_ADJECTIVES = """
    able active agile airy alert amber ample apt ardent arctic artful autumn avid awake azure balmy beaming
    blithe bold bonny brave breezy bright brisk broad bronze bubbly buoyant busy calm candid capable careful
    caring casual central cheerful chief chipper civic civil classic clean clear clever cloudy coastal cobalt
    comfy constant cool copper coral cordial cosmic cosy courtly creamy crisp crystal curious curly daily
    dapper daring dashing dawning dear decent deep deft dewy diligent direct distant dreamy dusty
    eager early earnest earthy easy ebony elegant eloquent emerald endless epic equal even evening exact
    fabled fair faithful famous fancy fast fearless festive fine firm fleet floral fluffy fluent fond formal
    forward frank free fresh friendly frosty full funny gallant generous gentle genial gifted giddy gilded
    glad gleaming glossy golden good graceful grand grateful green happy hardy harmonic hazel hearty helpful
    heroic hidden honest hopeful humble icy ideal indigo inland inner intent ivory jade jaunty jolly jovial
    joyful jubilant just keen kind kindly lasting lavender leafy learned level light lilac lively loyal lucid
    lucky lunar magnetic maple marble maroon mellow merry mighty mild mindful minty misty modern modest mossy
    musical natural neat nimble noble northern notable novel oaken olive open opal orderly outgoing
    patient peaceful pearly placid plain playful pleasant plucky poetic polar polished polite popular prime
    proper proud prudent pure quaint quick quiet radiant rapid rare ready refined regal relaxed rested robust
    rosy round royal ruby russet rustic sage sandy sapphire satin savvy scarlet scenic secure serene shady
    sharp shiny silent silken silver simple sincere skilful sleek smart smiling smooth snappy snowy snug
    sociable solar solid sonic southern sparkling speedy splendid spry stable starry steady stellar sterling
    still stoic stout sturdy subtle summer sunlit sunny super supple sure swift tactful talented tall tame
    tawny teal tender thankful thorough thrifty tidy timely topaz tranquil trim true trusty tuneful twilight
    unique upbeat upright useful valiant vast velvet verdant vibrant vigilant violet vital vivid vocal
    warm wavy welcome western whole willing windy winning winter wise witty wondrous woolly worthy young
    youthful zesty zippy
"""
ADJECTIVES = tuple(_ADJECTIVES.split())
"""What an animal may be like."""

_ANIMALS = """
    aardvark addax agouti akita albacore albatross alpaca anchovy anoa anole anteater antelope aphid arapaima
    argali armadillo auklet auk avocet axolotl babbler badger bandicoot barb barbet barnacle barracuda basilisk
    bass beagle bear beaver bee beetle beluga bison bittern blackbird bluebird bluejay boa bobcat bobolink
    bongo bonobo borzoi bream buffalo bulbul bullfinch bunting burbot bushbuck bustard butterfly
    buzzard caiman camel canary capelin caracal cardinal caribou carp cassowary cat catfish cavy
    chaffinch chameleon chamois char cheetah chickadee chinchilla chipmunk chiton chough cicada civet clam
    clownfish coati cockatiel cockatoo cod collie condor coot coral cormorant cougar cowrie coyote coypu crab
    crane crayfish cricket crocodile crossbill crow cuckoo curlew cuttlefish dabchick dace damselfly dassie
    deer degu dikdik dingo dipper dolphin dormouse dotterel dove dragonfly drake dugong duiker dunlin dunnock
    eagle echidna egret eider eland elephant elk emu ermine falcon fantail fennec ferret finch firefly flamingo
    flounder fossa fox frigatebird frog fulmar galago gannet gar garganey gaur gazelle gecko gemsbok genet
    gerbil gerenuk gibbon giraffe glider gnu goat godwit goldcrest goldfinch goldfish goose gopher goral goshawk
    gosling grebe greenfinch grosbeak grouper grouse guanaco gudgeon guillemot guppy gull haddock halibut
    hamster hare harrier hawk hedgehog heron herring hippo hoatzin hobby hoopoe hornbill horse hummingbird husky
    hyrax ibex ibis iguana impala indri jacana jackal jackdaw jaguar jay jellyfish jerboa kakapo kangaroo katydid
    kestrel killdeer kingfisher kinglet kinkajou kite kittiwake kiwi klipspringer koala koi kookaburra krill
    kudu ladybird lamprey lapwing lark lemming lemur leopard limpet linnet lion lizard llama lobster loon lorikeet
    loris lynx macaque macaw mackerel magpie mallard manatee mandrill margay markhor marlin marmoset marmot
    marten martin mastiff meadowlark meerkat merganser merlin minnow mockingbird mole mongoose moorhen moose moth
    mouflon mouse mullet muntjac muskox mussel narwhal nautilus newt nightingale nightjar nilgai numbat nuthatch
    nyala ocelot octopus okapi olingo opossum orca oriole oryx osprey ostrich otter ouzel owl oyster paca
    panda pangolin panther parakeet parrot partridge peacock peccary pelican penguin perch peregrine petrel
    pheasant phoebe pika pike pilchard pintail pipit plaice platypus plover pochard pollock pony porcupine
    porpoise possum prawn pronghorn ptarmigan puffin puma python quail quetzal quokka quoll rabbit raccoon
    raven ray razorbill redpoll redshank redstart reedbuck reindeer rhea rhino robin roach roebuck roller rook
    sable saiga salamander salmon sambar sanderling sandpiper sardine scallop scoter seahorse seal serin serval
    shad shearwater sheep shelduck shrew shrike shrimp sifaka siskin skate skimmer skink skua skylark sloth smelt
    snail snipe sparrow spoonbill springbok squid squirrel starfish starling stilt stingray stoat stonechat stork
    sturgeon sunbird swallow swan swift swordfish tadpole takin tamarin tanager tapir tarpon tarsier teal tench
    termite tern terrapin thrasher thrush tiger tilapia titmouse toad topi tortoise toucan treecreeper trogon
    trout tuna turaco turbot turnstone turtle urial vicuna viper vireo viscacha vole wagtail wallaby wallaroo
    walrus warbler wapiti waterbuck waxbill waxwing weasel weaver weevil whale wheatear whelk whimbrel
    whinchat whippet whitefish wigeon wildcat wolf wolverine wombat woodcock woodlark woodpecker wren wryneck
    yak zander zebra zebu zorilla
"""
ANIMALS = tuple(_ANIMALS.split())
"""Who is given the adjective."""
